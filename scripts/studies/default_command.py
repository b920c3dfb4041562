"""The command line of the default's comparison with the best."""

import argparse
import dataclasses
import statistics
from collections.abc import Sequence
from pathlib import Path

from studies import default, default_report
from studies.campaign import run_cases
from studies.cases import Case
from studies.columns import answers_per_s
from studies.command import (Parser, add_common_options, add_page_options, identity_of, measuring,
                             output_folder, print_list, programs_of, publish, run, write_newest)
from studies.compare import SERVICES, write_numbers
from studies.compare_command import OVERHEAD_S, ModelRunner
from studies.default import (BEFORE, CANDIDATES, CHOICE, DEFAULT, FINAL, CaseMaker, Workload)
from studies.default_report import CPU, P99, RATE
from studies.errors import EXIT_DONE, WrongUsage
from studies.programs import Programs
from studies.records import DONE, Record, Store

SECONDS, QUICK_SECONDS = 1.5, 0.2
CHOICE_ROUNDS, FINAL_ROUNDS = 3, 10
QUICK_WORKLOADS = 2


def _options(description: str) -> argparse.Namespace:
    parser = Parser(description)
    add_common_options(parser)
    parser.add_argument("--only", default="", metavar="WORD[,..]",
                        help="only workloads with all these words in their names")
    parser.add_argument("--before", type=Path, metavar="DIR",
                        help="a build folder of an older commit, whose default runs in the same "
                        "rounds")
    add_page_options(parser, "docs/default/")
    return parser.parse_args()


def main(description: str) -> int:
    options = _options(description)
    return run(lambda: _body(options))


def _body(options: argparse.Namespace) -> int:
    if options.page:
        return write_newest(default_report.STUDY, options)
    folder = output_folder(options)
    programs = programs_of(options)
    before = Programs(options.before.resolve()) if options.before else None
    workloads = [workload for workload in default.workloads()
                 if all(word in workload.name for word in options.only.split(","))]
    if not workloads:
        raise WrongUsage(f"no workload has '{options.only}' in its name; --list prints them")
    if options.quick:
        workloads = workloads[:QUICK_WORKLOADS]
    make = CaseMaker(programs.settings, QUICK_SECONDS if options.quick else SECONDS, options.quick,
                     folder / "compare-numbers")
    identity = identity_of(programs) | ({"before": before.digest} if before else {})
    store = Store(folder / "records", identity)
    campaign = _Campaign(workloads, make, store, 1 if options.quick else None, before is not None)
    if options.list:
        print_list(campaign.choice(), store, campaign.choice_rounds)
        return EXIT_DONE
    with measuring(options, folder, store, [default.EXPERIMENT]) as output:
        if any(SERVICES[workload.service].name == "lookup" for workload in workloads):
            write_numbers(folder / "compare-numbers")
        records = campaign.measure(_Runner(programs, before, output.scratch))
        return publish(default_report.STUDY, records, output, options.quick)


class _Runner:
    def __init__(self, programs: Programs, before: Programs | None, scratch: Path):
        self._now = ModelRunner(programs, scratch)
        self._before = ModelRunner(before, scratch) if before else None

    def __call__(self, case: Case) -> dict:
        return (self._before if case.labels["server"] == BEFORE else self._now)(case)


class _Campaign:
    """The rounds that choose, and those that judge."""

    def __init__(self, workloads: Sequence[Workload], make: CaseMaker, store: Store,
                 rounds: int | None, before: bool):
        self._workloads = workloads
        self._make = make
        self._store = store
        self.choice_rounds = rounds or CHOICE_ROUNDS
        self._final_rounds = rounds or FINAL_ROUNDS
        self._defaults = [DEFAULT, BEFORE] if before else [DEFAULT]

    def choice(self) -> list[Case]:
        return [self._make.saturated(workload, server, CHOICE) for workload in self._workloads
                for server in CANDIDATES]

    def measure(self, runner) -> list[Record]:
        chosen = run_cases(self.choice(), self.choice_rounds, self._store, runner, OVERHEAD_S)
        final = [case for workload in self._workloads
                 for case in self._final(workload, _of(chosen, workload))]
        return [*chosen, *run_cases(final, self._final_rounds, self._store, runner, OVERHEAD_S)]

    def _final(self, workload: Workload, chosen: Sequence[Record]) -> list[Case]:
        by_rate, by_cpu = (default_report.winner(chosen, figure) for figure in (RATE, CPU))
        if by_rate is None or by_cpu is None:
            return []
        best = {RATE.name: by_rate, CPU.name: by_cpu, P99.name: by_rate}
        cases = [self._make.saturated(workload, server, FINAL)
                 for server in dict.fromkeys([*self._defaults, by_rate, by_cpu])]
        if not workload.packets:
            capacity = statistics.median(answers_per_s(record.results) for record in chosen
                                         if record.status == DONE and
                                         record.labels["server"] == by_rate)
            cases += [self._make.at_rate(workload, server, round(capacity / 2))
                      for server in [*self._defaults, by_rate]]
        return [dataclasses.replace(case, labels={**case.labels, "best": best}) for case in cases]


def _of(records: Sequence[Record], workload: Workload) -> list[Record]:
    return [record for record in records if record.labels["workload"] == workload.name]
