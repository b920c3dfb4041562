"""Receive in the real-time class, under overload."""

from studies import machine
from studies.columns import (ANSWERED, ANSWERS_PER_S, CASE, KERNEL_DROPS, LATENCIES, LOST,
                             LOST_WHERE, OUTCOME, RATE, SENT, SENT_PER_S, answered, answers_per_s,
                             of, received, sent, sent_per_s)
from studies.observations.experiment import Bench, Experiment
from studies.tables import Column
from studies.verdict import CONFIRMED, NO_LONGER, NOT_CONFIRMED, Measured, Missing, Verdict

LEAST_GAIN = 0.05
OVERLOAD = 1.5
LEAST_OVERLOAD = 1.1  # times the capacity; a client that sends less does not overload the server
OUTSTANDING = 1000
CAPACITY = "capacity"
PLAIN, REAL_TIME = "plain", "real-time receive"


def received_share(results: dict) -> float:
    """Of what was sent: a client at its limit does not send the same in each run."""
    return received(results) / sent(results)


def answered_share(results: dict) -> float:
    return answered(results) / sent(results)


class RealTime(Experiment):
    name = "real-time"
    title = "Real-time receive"
    observation = "Under overload, receiving in the real-time class takes in more messages."
    criterion = (f"confirmed if the share of the sent messages that is received is at least "
                 f"{1 + LEAST_GAIN:g} times that without, not confirmed if it is at most "
                 f"{1 - LEAST_GAIN:g} times that; in between it no longer applies")
    about = f"""\
r1r1s1, service echo, 8,192 slots, overload policy block. Open loop at {OVERLOAD:g} times the
capacity of a closed loop. A client that cannot send so much is marked in the column schedule; below
{LEAST_OVERLOAD:g} times the capacity there is no verdict.
"""
    columns = (CASE, RATE, SENT, SENT_PER_S,
               Column("received", of(received), spread=True),
               Column("% received", of(lambda results: 100 * received_share(results)), 2),
               KERNEL_DROPS, ANSWERED, ANSWERS_PER_S, *LATENCIES, LOST, LOST_WHERE, *OUTCOME)

    def first_cases(self, bench: Bench):
        return [bench.case(CAPACITY, bench.closed_loop(OUTSTANDING), bench.as_in_article)]

    def cases(self, bench: Bench, known):
        load = bench.open_loop(OVERLOAD * known[CAPACITY])
        real_time = {"CPSS_RECV_THREADS_RT": machine.REAL_TIME_PRIORITY, "CPSS_RT_ALLOW_SMALL": 1}
        return [bench.case(PLAIN, load, bench.as_in_article),
                bench.case(REAL_TIME, load, {**bench.as_in_article, **real_time},
                           skip=bench.why_no_real_time)]

    def judge(self, measured: Measured) -> Verdict:
        capacity = measured.median(CAPACITY, answers_per_s)
        for name in (PLAIN, REAL_TIME):
            overload = measured.median(name, sent_per_s) / capacity
            if overload < LEAST_OVERLOAD:
                raise Missing(f"{name}: the client could send only {overload:.2f} times the "
                              "capacity")
        gain, answers = (measured.median(REAL_TIME, share) / measured.median(PLAIN, share)
                         for share in (received_share, answered_share))
        figure = f"{gain:.2f} times the share received, {answers:.2f} times the share answered"
        if gain >= 1 + LEAST_GAIN:
            return Verdict(CONFIRMED, figure)
        return Verdict(NOT_CONFIRMED if gain <= 1 - LEAST_GAIN else NO_LONGER, figure)
