"""What long messages do to short ones."""

from studies.columns import (ANSWERED, ANSWERS_PER_S, CASE, CLASS_LATENCIES, LOST, LOST_WHERE,
                             OUTCOME, RATE, SENT, class_latency_us)
from studies.observations.experiment import Bench, Experiment, percent, work
from studies.verdict import Measured, Verdict, confirmed_if

MIXED = "bimodal:10,5000,0.01;sleep;defer=100"
SHORT_ONLY = "bimodal:10,5000,0;sleep;defer=100"
WORKERS = 4
SHARE_OF_CAPACITY = 0.5
OUTSTANDING = 512
MOST_RATIO = 3.0
CAPACITY = "capacity with workers"
LOADS = {"short and long": MIXED, "short only": SHORT_ONLY}
SERVERS = {f"{WORKERS} workers": WORKERS, "no workers": 0}

short_p99_us = class_latency_us("short", "p99")


def name_of(server: str, load: str) -> str:
    return f"{server}, {load}"


class Isolation(Experiment):
    name = "isolation"
    title = "Isolation"
    observation = "With workers, long messages do not hold up short ones; without, they do."
    criterion = (f"p99 latency of the short messages is at most {MOST_RATIO:g} times that of the "
                 f"same load without long ones with {WORKERS} workers, and more than that without")
    about = f"""\
Service `work`, `{MIXED}`: one message in a hundred sleeps for 5 ms, on a worker where there are
any. Open loop at {percent(SHARE_OF_CAPACITY)} of what the server with workers answers in a closed
loop; against `{SHORT_ONLY}` at the same rate.
"""
    columns = (CASE, RATE, SENT, ANSWERED, ANSWERS_PER_S,
               *CLASS_LATENCIES, LOST, LOST_WHERE, *OUTCOME)
    at_rate = on_time = True

    def first_cases(self, bench: Bench):
        return [self._case(bench, CAPACITY, WORKERS, MIXED,
                           bench.closed_loop(OUTSTANDING, "work", more=work(MIXED)))]

    def cases(self, bench: Bench, known):
        rate = SHARE_OF_CAPACITY * known[CAPACITY]
        return [self._case(bench, name_of(server, load), workers, profile,
                           bench.open_loop(rate, "work", more=work(profile)))
                for server, workers in SERVERS.items() for load, profile in LOADS.items()]

    @staticmethod
    def _case(bench: Bench, name: str, workers: int, profile: str, load):
        return bench.case(name, load, {"CPSS_WORK": profile, "CPSS_WORKER_THREADS": workers})

    def judge(self, measured: Measured) -> Verdict:
        def ratio(server: str) -> float:
            mixed, short_only = (measured.median(name_of(server, load), short_p99_us)
                                 for load in LOADS)
            return mixed / short_only

        isolated, shared = map(ratio, SERVERS)
        return confirmed_if(
            isolated <= MOST_RATIO < shared,
            f"long messages make the short ones' p99 latency {isolated:.2f} times as long with "
            f"workers, {shared:.1f} times as long without")
