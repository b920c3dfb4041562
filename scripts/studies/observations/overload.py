"""Twice the capacity, and a step of ten times the capacity."""

import dataclasses
import time

from studies import blast
from studies.columns import (ANSWERED, ANSWERS_PER_S, CASE, LATENCIES, LOST, LOST_WHERE, OUTCOME,
                             RATE, SENT, answers_per_s, latency_us, lost, memory_grown_kib, of,
                             places)
from studies.observations.experiment import MOST_GROWTH_KIB, Bench, Experiment, percent, work
from studies.observations.standstill import wait_until_idle
from studies.tables import Column
from studies.verdict import Measured, Missing, Verdict, confirmed_if

PROFILE = "fixed:50;burn"
WORKERS = 2
OVERLOAD, STEP, AFTERWARDS = 2.0, 10.0, 0.5
STEP_S = 1.0
OUTSTANDING = 512
LEAST_GOODPUT, LEAST_STEP_GOODPUT = 0.90, 0.80
KINDS = {
    "block": {},
    "shed": {"CPSS_OVERLOAD": "shed"},
    "shed, all on workers": {"CPSS_OVERLOAD": "shed", "CPSS_WORKER_THREADS": WORKERS,
                             "CPSS_DEFER": "all"},
}
SHED = [kind for kind in KINDS if kind != "block"]


def capacity_name(kind: str) -> str:
    return f"{kind}: capacity"


def overload_name(kind: str) -> str:
    return f"{kind}: {OVERLOAD:g} x capacity"


def step_name(kind: str) -> str:
    return f"{kind}: {AFTERWARDS:g} x capacity after {STEP:g} x"


def _of_step(figure):
    """A figure of the first part of two."""
    return of(lambda results: figure({"udpblast": results["step"]}))


class Overload(Experiment):
    name = "overload"
    title = "Overload"
    observation = ("Under overload the server keeps working near its capacity, in bounded memory, "
                   "and recovers.")
    criterion = (f"with the policy shed, messages are answered in time at "
                 f"{percent(LEAST_GOODPUT)} of the capacity at least when {OVERLOAD:g} times as many "
                 f"are sent, at {percent(LEAST_STEP_GOODPUT)} when {STEP:g} times as many are; in every run "
                 f"memory grows by at most {MOST_GROWTH_KIB:,} KiB (the slots and 4 MiB); and at "
                 f"{AFTERWARDS:g} times the capacity none is lost after a step of {STEP:g} times")
    about = f"""\
Service `work`, `{PROFILE}`, r1r1s1, open loop against the capacity of the same server in a closed
loop. With workers, every message goes through one of {WORKERS}. The goodput is answers in time a
second, until the last reply, as a share of the capacity. The step lasts {STEP_S:g} s; the second
part begins when the server has done with all of the first: `seconds between`. The columns of losses
and latency are of the second part, `step ...` of the first.
"""
    columns = (CASE, RATE, SENT, ANSWERED, ANSWERS_PER_S,
               Column("goodput", of(lambda results: results["goodput"]), 3, spread=True),
               LOST, LOST_WHERE,
               Column("of them busy replies", of(lambda results: results["udpblast"]["busy"])),
               *LATENCIES, Column("memory grown KiB", of(memory_grown_kib)),
               Column("step goodput", of(lambda results: results["step_goodput"]), 3, spread=True),
               Column("step max us", _of_step(latency_us("max"))),
               Column("step rate", _of_step(lambda results: results["udpblast"]["sent_per_s"])),
               Column("step lost", _of_step(lost)),
               Column("step lost where",
                      _of_step(lambda results: ", ".join(places(results["udpblast"])))),
               Column("step schedule",
                      _of_step(lambda results: blast.schedule_of(results["udpblast"]))),
               Column("seconds between", of(lambda results: results["between_s"]), 1), *OUTCOME)
    at_rate = True

    def first_cases(self, bench: Bench):
        load = bench.closed_loop(OUTSTANDING, "work", more=work(PROFILE))
        return [self._case(bench, capacity_name(kind), kind, load) for kind in KINDS]

    def cases(self, bench: Bench, known):
        capacities = {kind: known[capacity_name(kind)] for kind in KINDS}
        return [self._case(bench, name(kind), kind,
                           bench.open_loop(share * capacity, "work", more=work(PROFILE)),
                           capacity=capacity, **labels)
                for name, share, labels in ((overload_name, OVERLOAD, {}),
                                            (step_name, AFTERWARDS, {"step": STEP}))
                for kind, capacity in capacities.items()]

    @staticmethod
    def _case(bench: Bench, name: str, kind: str, load, **labels):
        return bench.case(name, load, {"CPSS_WORK": PROFILE, **KINDS[kind]}, **labels)

    def run(self, lab, case):
        results: dict = {}
        with lab.watched_server(case, results) as server:
            if "step" in case.labels:
                step_s = min(STEP_S, case.load.seconds)
                load = dataclasses.replace(case.load, seconds=step_s,
                                           rate=round(STEP * case.labels["capacity"]))
                begin = time.monotonic()
                results["step"] = lab.blast(case, server, load)
                wait_until_idle(server)
                results["between_s"] = time.monotonic() - begin - step_s
            results["udpblast"] = lab.blast(case, server)
        if "step" in case.labels:
            results["step_goodput"] = \
                results["step"]["messages_per_s"] / case.labels["capacity"]
        elif "capacity" in case.labels:
            results["goodput"] = answers_per_s(results) / case.labels["capacity"]
        return results

    def judge(self, measured: Measured) -> Verdict:
        goodputs = {kind: measured.median(overload_name(kind), lambda results: results["goodput"])
                    for kind in KINDS}
        step_goodputs = {kind: measured.median(step_name(kind),
                                               lambda results: results["step_goodput"])
                         for kind in KINDS}
        after = [results for kind in KINDS for results in measured.of(step_name(kind))]
        if not all(blast.kept_rate(results["step"]) for results in after):
            raise Missing(f"the client could not send {STEP:g} times the capacity")
        everything = after + [results for kind in KINDS
                              for results in measured.of(overload_name(kind))]
        max_lost, max_grown = max(map(lost, after)), max(map(memory_grown_kib, everything))
        text = ", ".join(f"{kind} {goodput:.2f} ({step_goodputs[kind]:.2f} at {STEP:g} x)"
                         for kind, goodput in goodputs.items())
        return confirmed_if(
            min(goodputs[kind] for kind in SHED) >= LEAST_GOODPUT
            and min(step_goodputs[kind] for kind in SHED) >= LEAST_STEP_GOODPUT and max_lost == 0
            and max_grown <= MOST_GROWTH_KIB,
            f"goodput: {text}; memory grown by at most {max_grown:,} KiB; at most {max_lost:,} "
            "lost after the step")
