"""A short worker queue against a long one."""

import itertools

from studies.columns import (ANSWERS_PER_S, CASE, LATENCIES, LOST, LOST_WHERE, OUTCOME, RATE,
                             answers_per_s, latency_us)
from studies.observations.experiment import Bench, Experiment, percent, work
from studies.verdict import Measured, Verdict, confirmed_if

LEAST_THROUGHPUT = 0.95  # of the long queue's
MOST_LATENCY = 1.05  # times the long queue's
SHARE_OF_CAPACITY = 0.8
OUTSTANDING = 1000
PROFILE = "fixed:50;burn"
WORKERS = (2, 4)
LOADS = ("echo", "work")
QUEUES = ("short", "long")


def closed_name(workers: int, load: str, queue: str) -> str:
    return f"{workers} workers, {load}, {queue} queue, closed loop"


def open_name(workers: int, load: str, queue: str) -> str:
    return f"{workers} workers, {load}, {queue} queue, open loop"


class WorkerQueue(Experiment):
    name = "worker-queue"
    title = "Worker queue"
    observation = "A short worker queue is as good as a long one, or better."
    criterion = (f"with a queue of as many messages as workers, throughput is at least "
                 f"{LEAST_THROUGHPUT} times and p99 latency at most {MOST_LATENCY} times that of "
                 "the default queue (half the slots), for each number of workers and each load")
    about = f"""\
Every message goes through a worker. Throughput in a closed loop of {OUTSTANDING:,} messages;
latency in an open loop at {percent(SHARE_OF_CAPACITY)} of the lower throughput of the two queues.
`work` is `{PROFILE}`.
"""
    columns = (CASE, RATE, ANSWERS_PER_S, *LATENCIES, LOST, LOST_WHERE, *OUTCOME)
    at_rate = on_time = True

    def first_cases(self, bench: Bench):
        return [self._case(bench, closed_name(*kind), kind,
                           bench.closed_loop(OUTSTANDING, kind[1], more=self._more(kind[1])))
                for kind in self._kinds(bench)]

    def cases(self, bench: Bench, known):
        def rate(workers: int, load: str) -> float:
            return SHARE_OF_CAPACITY * min(known[closed_name(workers, load, queue)]
                                           for queue in QUEUES)

        return [self._case(bench, open_name(*kind), kind,
                           bench.open_loop(rate(*kind[:2]), kind[1], more=self._more(kind[1])))
                for kind in self._kinds(bench)]

    @staticmethod
    def _kinds(bench: Bench):
        return list(itertools.product(WORKERS[:1] if bench.quick else WORKERS, LOADS, QUEUES))

    @staticmethod
    def _more(load: str) -> tuple[str, ...]:
        return work(PROFILE) if load == "work" else ()

    @staticmethod
    def _case(bench: Bench, name: str, kind, load):
        workers, _, queue = kind
        settings = {**bench.as_in_article, "CPSS_WORKER_THREADS": workers, "CPSS_DEFER": "all",
                    "CPSS_WORK": PROFILE}
        if queue == "short":
            settings["CPSS_WORKER_QUEUE"] = workers
        return bench.case(name, load, settings)

    def judge(self, measured: Measured) -> Verdict:
        # In quick mode there are fewer numbers of workers.
        kinds = [(workers, load) for workers, load in itertools.product(WORKERS, LOADS)
                 if workers == WORKERS[0] or closed_name(workers, load, "long") in measured]
        p99 = latency_us("p99")

        def ratio(name, kind, figure):
            short, long = (measured.median(name(*kind, queue), figure) for queue in QUEUES)
            return short / long

        throughput = min(ratio(closed_name, kind, answers_per_s) for kind in kinds)
        latency = max(ratio(open_name, kind, p99) for kind in kinds)
        return confirmed_if(
            throughput >= LEAST_THROUGHPUT and latency <= MOST_LATENCY,
            f"of the long queue's, throughput is at least {throughput:.2f} times and p99 latency "
            f"at most {latency:.2f} times")
