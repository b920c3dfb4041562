"""A long run near the capacity."""

import dataclasses

from studies import machine
from studies.columns import (ANSWERED, ANSWERS_PER_S, CASE, LATENCIES, LOST, LOST_WHERE, OUTCOME,
                             RATE, SENT, lost, of)
from studies.observations.experiment import Bench, Experiment, percent
from studies.tables import Column
from studies.verdict import Measured, Verdict, confirmed_if

SHARE_OF_CAPACITY = 0.9
OUTSTANDING = 1000
MOST_GROWTH_KIB = 1024  # after the first tenth of the run
CAPACITY = "capacity"
PLAIN, RAISED = "plain priority", "raised priority"


def is_constant(results: dict, what: str) -> bool:
    return results["resources"][f"{what}_least"] == results["resources"][f"{what}_most"]


def _range(what: str):
    def value(results: dict) -> str:
        least, most = (results["resources"][f"{what}_{end}"] for end in ("least", "most"))
        return f"{least}" if least == most else f"{least} to {most}"
    return of(value)


def _resident(when: str):
    return of(lambda results: results["resources"][when]["resident_kib"])


def grown_kib(results: dict) -> int:
    resources = results["resources"]
    return resources["last"]["resident_kib"] - resources["settled"]["resident_kib"]


class Endurance(Experiment):
    name = "endurance"
    title = "Endurance"
    observation = (f"At {percent(SHARE_OF_CAPACITY)} of its capacity the server loses nothing and "
                   "does not grow, however long, with or without raised priority.")
    criterion = (f"in each run no message is lost, memory grows by at most {MOST_GROWTH_KIB:,} KiB "
                 "after the first tenth of it, and the numbers of threads and descriptors do not "
                 "change")
    about = f"""\
r1r1s1, service echo, open loop. Raised priority: receive and response in the real-time class,
priority {machine.REAL_TIME_PRIORITY}. Memory is VmRSS at the beginning of the load, after a tenth
of it, when the slots it needs have been used, and at its end.
"""
    columns = (CASE, Column("seconds", lambda record: record.parameters["load"]["seconds"], 1),
               RATE, SENT, ANSWERED, ANSWERS_PER_S, LOST, LOST_WHERE, *LATENCIES,
               Column("memory at start KiB", _resident("first")),
               Column("after a tenth KiB", _resident("settled")),
               Column("memory at end KiB", _resident("last")),
               Column("threads", _range("threads")),
               Column("descriptors", _range("descriptors")), *OUTCOME)
    repeats = 1
    at_rate = True

    def first_cases(self, bench: Bench):
        return [self._case(bench, CAPACITY, bench.closed_loop(OUTSTANDING))]

    def cases(self, bench: Bench, known):
        load = dataclasses.replace(bench.open_loop(SHARE_OF_CAPACITY * known[CAPACITY]),
                                   seconds=bench.endurance_s)
        raised = {"CPSS_RECV_THREADS_RT": machine.REAL_TIME_PRIORITY,
                  "CPSS_RESP_THREADS_RT": machine.REAL_TIME_PRIORITY, "CPSS_RT_ALLOW_SMALL": 1}
        return [self._case(bench, PLAIN, load),
                self._case(bench, RAISED, load, raised, bench.why_no_real_time)]

    @staticmethod
    def _case(bench: Bench, name: str, load, settings=None, skip=""):
        # Runs of another length are another series.
        return bench.case(name, load, {**bench.as_in_article, **(settings or {})}, skip=skip,
                          series=f"{bench.endurance_s:g} s")

    def judge(self, measured: Measured) -> Verdict:
        runs = [name for name in (PLAIN, RAISED) if name == PLAIN or name in measured]
        found = [results for name in runs for results in measured.of(name)]
        max_lost, max_grown = max(map(lost, found)), max(map(grown_kib, found))
        constant = all(is_constant(results, what) for results in found
                       for what in ("threads", "descriptors"))
        without = "" if RAISED in runs else " (raised priority could not be run)"
        seconds = min(results["udpblast"]["elapsed_s"] for results in found)
        return confirmed_if(
            max_lost == 0 and max_grown <= MOST_GROWTH_KIB and constant,
            f"in {seconds:,.0f} s at most {max_lost:,} messages lost, {max_grown:,} KiB grown, "
            f"threads and descriptors {'constant' if constant else 'NOT constant'}{without}")
