"""What an experiment is: cases, a way to run them, and a criterion that was fixed beforehand."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from studies import blast, machine
from studies.blast import Load
from studies.campaign import end_in_good_order
from studies.cases import Case, unknown_settings
from studies.charts import Chart
from studies.programs import Programs
from studies.records import Record
from studies.resources import Watch
from studies.server import Server
from studies.study import Report, Study, origin_of, repeats_of
from studies.tables import Column, Line, Table
from studies.verdict import Measured, Observation, Verdict

PREFIX = "observation-"  # of the experiments' names in records and files
SLOTS = 8192
MESSAGE_SIZE = 1024
# Slots are touched when they are first used: two windows and a header each. Beside them, 4 MiB.
MOST_GROWTH_KIB = SLOTS * (2 * MESSAGE_SIZE + 1024) // 1024 + 4096


class Bench:
    """Makes cases: how long, on which CPUs, with which server."""

    def __init__(self, programs: Programs, quick: bool, endurance_s: float):
        self.known_settings = programs.settings
        self.quick = quick
        self.endurance_s = endurance_s
        self.seconds = 0.3 if quick else 5.0
        self.timeout_s = 0.5 if quick else 2.0
        self.server_cpus, self.client_cpus = machine.split_cpus(1, machine.allowed_cpus())
        self.why_no_real_time = machine.why_no_real_time()
        # The article's server hands every message over, also where ours could do otherwise.
        self.as_in_article = {"CPSS_DISPATCH": "queued"} \
            if "CPSS_DISPATCH" in programs.settings else {}
        self.why_no_test_server = "" if programs.test_server.is_file() \
            else f"{programs.test_server} is missing"

    def case(self, name: str, load: Load, settings: Mapping[str, object] | None = None,
             skip: str = "", series: str = "", **labels) -> Case:
        """Its experiment is set by whoever runs it."""
        all_settings = {"CPSS_SERVICE": load.service, "CPSS_QSLOTS": str(SLOTS),
                        "CPSS_MSGSIZE": str(MESSAGE_SIZE), "CPSS_SOCKET_BUFFER": "4MiB",
                        "CPSS_DRAIN_TIMEOUT": "60"}
        all_settings |= {key: str(value) for key, value in (settings or {}).items()}
        return Case("", name, load, series or f"{self.seconds:g} s", settings=all_settings,
                    server_cpus=self.server_cpus,
                    client_cpus=self.client_cpus, labels={"quick": self.quick, **labels},
                    skip=skip or unknown_settings(all_settings, self.known_settings))

    def closed_loop(self, outstanding: int, service: str = "echo", **more) -> Load:
        return Load(service, seconds=self.seconds, outstanding=outstanding,
                    timeout_s=self.timeout_s, **more)

    def open_loop(self, rate: float, service: str = "echo", **more) -> Load:
        return Load(service, seconds=self.seconds, rate=max(1, round(rate)),
                    timeout_s=self.timeout_s, **more)


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def work(profile: str) -> tuple[str, ...]:
    """Tells udpblast what CPSS_WORK is, so that it tells the classes apart."""
    return ("--work", profile)


class Lab:
    """What runs cases."""

    def __init__(self, programs: Programs, scratch: Path):
        self.programs = programs
        self.scratch = scratch

    def blast(self, case: Case, server: Server, load: Load | None = None) -> dict:
        """The report of udpblast, where every message that was not answered is explained."""
        report = blast.run(self.programs, load or case.load, server, case.client_cpus)
        blast.demand_explained(report)
        return report

    @contextlib.contextmanager
    def watched_server(self, case: Case, results: dict, **more) -> Iterator[Server]:
        """A server that ends in good order. Adds to the results what it took and how it ended.
        `more`: as Server has it."""
        with Server(self.programs, case.settings, case.server_cpus, self.scratch,
                    **more) as server:
            with Watch(server.pid) as watch:
                yield server
                results["resources"] = watch.summary()
            results.update(end_in_good_order(server))


class Experiment:
    """One observation. Derived classes say what is measured; all of it is part of the records, so
    tables and verdicts are made from records alone."""

    name: str
    title: str
    observation: str
    criterion: str
    about: str = ""
    columns: tuple[Column, ...] = ()
    # How often each case is run: normally, at least, and in quick mode.
    repeats, min_repeats, quick_repeats = 3, 1, 1
    # How often what is measured first; not an option, for the other cases depend on it.
    first_repeats = 3
    at_rate = False  # whether there is a verdict only where the client sent at the rate asked for
    # Whether there is one only where latency, which counts from the planned time, is the server's
    # and not the client's being late.
    on_time = False

    def first_cases(self, bench: Bench) -> list[Case]:
        """What has to be known before the other cases can be made, such as capacities."""
        return []

    def found(self, results: dict) -> float:
        """What one of those measured: answers a second."""
        return results["udpblast"]["messages_per_s"]

    def cases(self, bench: Bench, known: Mapping[str, float]) -> list[Case]:
        """`known`: what the first cases found, by their names."""
        raise NotImplementedError

    def run(self, lab: Lab, case: Case) -> dict:
        """The results of a case. Raises CaseFailed."""
        results: dict = {}
        with lab.watched_server(case, results) as server:
            results["udpblast"] = lab.blast(case, server)
        return results

    def judge(self, measured: Measured) -> Verdict:
        raise NotImplementedError

    def _judge(self, measured: Measured) -> Verdict:
        if self.at_rate:
            measured.demand_rates()
        if self.on_time:
            measured.demand_punctuality()
        return self.judge(measured)

    def charts(self, lines: Sequence[Line]) -> list[Chart]:
        """Of the lines of the CSV file."""
        return []

    @property
    def record_name(self) -> str:
        return PREFIX + self.name

    def named(self, cases: Sequence[Case]) -> list[Case]:
        return [dataclasses.replace(case, experiment=self.record_name) for case in cases]

    def study(self) -> Study:
        observation = Observation(self.observation, self.criterion, self._judge)

        def report(records: Sequence[Record]) -> Report:
            cases = repeats_of(records)
            verdict = observation.verdict(records)
            text = (f"**{self.observation}** {verdict.outcome.capitalize()}: {verdict.figure}. "
                    f"Criterion: {self.criterion}.\n\n{self.about}\n{origin_of(records)}")
            return Report(text, Table(self.columns, cases))

        return Study(self.record_name, self.title, self.record_name, report, self.charts,
                     observation)
