"""On-demand threads for what the workers alone cannot hold."""

from studies.charts import Bars
from studies.columns import (ANSWERED, ANSWERS_PER_S, CASE, CLASS_LATENCIES, LOST, LOST_WHERE,
                             OUTCOME, RATE, SENT, answers_per_s, of)
from studies.observations.experiment import Bench, Experiment, percent, work
from studies.tables import Column, number
from studies.verdict import NO_LONGER, Measured, Verdict, confirmed_if

PROFILE = "bimodal:10,5000,0.1;sleep;defer=100"
WORKERS = 4
THREADS = (0, 2, 8, 64)
FEW, MANY = 8, 64
OVERLOAD = 6.0  # more than workers and few on-demand threads can hold together
OUTSTANDING = 512
SLOTS = 1024  # few, so that the overload shows soon
LEAST_HELP = 1.1  # times the answers without on-demand threads
MOST_MORE_HELP = 1.1  # times the answers with few
NO_NEED = 0.95  # of the rate: the workers alone hold it
CAPACITY = "capacity of the workers alone"


def name_of(threads: int) -> str:
    return f"at most {threads} on demand" if threads else "none on demand"


def _on_demand(results: dict) -> dict:
    """The stage, which is there only where it is configured."""
    return next((stage for stage in results["getstat"]["stages"] if stage["name"] == "on_demand"),
                {})


class OnDemand(Experiment):
    name = "on-demand"
    title = "On-demand threads"
    observation = "A few on-demand threads help; many do not help much more."
    criterion = (f"with at most {FEW} of them at least {LEAST_HELP} times as many messages are "
                 f"answered a second as with none, and with at most {MANY} of them at most "
                 f"{MOST_MORE_HELP} times as many as with {FEW}; it no longer applies where the "
                 f"workers alone answer {percent(NO_NEED)} of the rate")
    about = f"""\
Service `work`, `{PROFILE}`: one message in ten sleeps for 5 ms on one of {WORKERS} workers or on an
on-demand thread. Open loop at {OVERLOAD:g} times what the workers alone answer in a closed loop,
twice what they and {FEW} more threads can; {SLOTS:,} slots.
"""
    columns = (CASE, RATE, SENT, ANSWERED, ANSWERS_PER_S,
               *CLASS_LATENCIES,
               Column("most threads", of(lambda results: _on_demand(results)["threads_max"])),
               Column("threads started",
                      of(lambda results: _on_demand(results)["threads_started"])),
               LOST, LOST_WHERE, *OUTCOME)
    at_rate = True

    def first_cases(self, bench: Bench):
        return [self._case(bench, CAPACITY, 0,
                           bench.closed_loop(OUTSTANDING, "work", more=work(PROFILE)))]

    def cases(self, bench: Bench, known):
        load = bench.open_loop(OVERLOAD * known[CAPACITY], "work", more=work(PROFILE))
        return [self._case(bench, name_of(threads), threads, load) for threads in THREADS]

    @staticmethod
    def _case(bench: Bench, name: str, threads: int, load):
        settings = {**bench.as_in_article, "CPSS_WORK": PROFILE, "CPSS_WORKER_THREADS": WORKERS,
                    "CPSS_QSLOTS": SLOTS}
        if threads:
            settings["CPSS_ONDEMAND_THREADS"] = threads
        return bench.case(name, load, settings)

    def judge(self, measured: Measured) -> Verdict:
        none, few, many = (measured.median(name_of(threads), answers_per_s)
                           for threads in (0, FEW, MANY))
        held = measured.median(name_of(0), lambda results: answers_per_s(results) /
                               results["udpblast"]["sent_per_s"])
        figure = (f"{none:,.0f} answers a second without them, {few / none:.2f} times as many with "
                  f"{FEW}, with {MANY} {many / few:.2f} times as many as with {FEW}")
        if held >= NO_NEED:
            return Verdict(NO_LONGER,
                           f"the workers alone answer {percent(held)} of the rate; {figure}")
        return confirmed_if(few >= LEAST_HELP * none and many <= MOST_MORE_HELP * few, figure)

    def charts(self, lines):
        by_case = {line["case"]: line for line in lines}
        answers = {threads: value for threads in THREADS
                   if (value := number(by_case.get(name_of(threads), {}), "answered a second"))}
        if 0 not in answers or len(answers) < 2:
            return []
        times = {threads: f"{value / answers[0]:.1f} times" for threads, value in answers.items()}
        finding = ", ".join(f"{text} with {threads}" for threads, text in times.items() if threads)
        rate = number(by_case[name_of(0)], "rate")
        return [Bars(f"Answers a second with on-demand threads: {finding}",
                     f"Answers a second of {WORKERS} workers with on-demand threads beside them, "
                     "and as a ratio to those without.", "answers a second",
                     {name_of(threads): (value, f"{value:,.0f}: {times[threads]}")
                      for threads, value in answers.items()},
                     {f"sent, {rate:,.0f} a second": rate})]
