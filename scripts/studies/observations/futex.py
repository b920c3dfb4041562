"""Futexes private to the process against shared ones."""

import statistics

from studies.columns import (ANSWERS_PER_S, CASE, LATENCIES, LOST, LOST_WHERE, OUTCOME,
                             answers_per_s, cpu_us_per_reply, of)
from studies.observations.experiment import Bench, Experiment
from studies.observations.pairs import ratios, text_of
from studies.tables import Column
from studies.verdict import CONFIRMED, NO_LONGER, NOT_CONFIRMED, Measured, Verdict

OUTSTANDING = 1000
LEAST_COST = 0.02
PRIVATE, SHARED = "private", "shared"


class Futex(Experiment):
    name = "futex"
    title = "Private and shared futexes"
    observation = "Queues and semaphores that processes can share cost throughput."
    criterion = (f"confirmed if the median of shared over private throughput is at most "
                 f"{1 - LEAST_COST:g}, not confirmed if it is at least {1 + LEAST_COST:g}, else it "
                 "no longer applies; the same where the quartiles of the pairs have 1 between them")
    about = f"""\
CPSS_SYNCH_PROCESS. r1r1s1, service echo, closed loop of {OUTSTANDING:,} messages; pairs of runs one
after the other.
"""
    columns = (CASE, ANSWERS_PER_S,
               Column("server CPU us a reply", of(cpu_us_per_reply), 2, spread=True), *LATENCIES,
               LOST, LOST_WHERE, *OUTCOME)
    repeats, min_repeats, quick_repeats = 10, 10, 2

    def cases(self, bench: Bench, known):
        load = bench.closed_loop(OUTSTANDING)
        return [bench.case(PRIVATE, load, bench.as_in_article),
                bench.case(SHARED, load, {**bench.as_in_article, "CPSS_SYNCH_PROCESS": 1})]

    def judge(self, measured: Measured) -> Verdict:
        throughput = ratios(measured, SHARED, PRIVATE, answers_per_s)
        cpu = ratios(measured, SHARED, PRIVATE, cpu_us_per_reply)
        median = statistics.median(throughput)
        low, _, high = statistics.quantiles(throughput, n=4, method="inclusive")
        figure = (f"shared over private: throughput {text_of(throughput)}, server CPU a reply "
                  f"{text_of(cpu)}")
        if low <= 1 <= high or abs(median - 1) < LEAST_COST:
            return Verdict(NO_LONGER, figure)
        return Verdict(CONFIRMED if median < 1 else NOT_CONFIRMED, figure)
