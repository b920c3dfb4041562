"""The command line of the study of observations."""

import argparse
from collections.abc import Mapping, Sequence

from studies.campaign import medians, run_cases
from studies.cases import Case
from studies.command import (Parser, add_common_options, conclude, identity_of, measuring, names_of,
                             output_folder, positive, print_list, programs_of, run)
from studies.errors import EXIT_DONE, CannotRun
from studies.observations import EXPERIMENTS
from studies.observations.experiment import Bench, Experiment, Lab
from studies.records import DONE, Output, Record, Store, write_whole
from studies.study import write_report
from studies.verdict import table_of

NAME = "observations"
ENDURANCE_S, QUICK_ENDURANCE_S = 600, 1


def _options(description: str) -> argparse.Namespace:
    parser = Parser(description)
    add_common_options(parser)
    names = [each.name for each in EXPERIMENTS]
    parser.add_argument("--only", type=names_of("experiment", names), default=names,
                        metavar="EXPERIMENT[,..]", help="only these: " + ", ".join(names))
    parser.add_argument("--repeat", type=positive, metavar="N",
                        help="run each case N times, pairs 10 times at least (3; endurance 1)")
    parser.add_argument("--endurance", type=positive, metavar="SECONDS",
                        help=f"length of each run of that experiment ({ENDURANCE_S})")
    return parser.parse_args()


class Plan:
    """The cases of one experiment, and how often each is run."""

    def __init__(self, experiment: Experiment, bench: Bench, repeats: int | None):
        self.experiment = experiment
        self._bench = bench
        self.first = experiment.named(experiment.first_cases(bench))
        self.first_repeats = 1 if bench.quick else experiment.first_repeats
        self.repeats = max(repeats, 1 if bench.quick else experiment.min_repeats) if repeats \
            else experiment.quick_repeats if bench.quick else experiment.repeats

    def cases(self, known: Mapping[str, float]) -> list[Case]:
        return self.experiment.named(self.experiment.cases(self._bench, known))

    def known(self, records: Sequence[Record]) -> dict[str, float]:
        """What the first cases found."""
        return medians(records, self.experiment.found)


def main(description: str) -> int:
    options = _options(description)
    return run(lambda: _body(options))


def _body(options: argparse.Namespace) -> int:
    programs = programs_of(options)
    if not programs.client_knows_work:
        raise CannotRun(f"{programs.udpblast} has no --work: build it again")
    bench = Bench(programs, options.quick,
                  options.endurance or (QUICK_ENDURANCE_S if options.quick else ENDURANCE_S))
    plans = [Plan(experiment, bench, options.repeat) for experiment in EXPERIMENTS
             if experiment.name in options.only]
    folder = output_folder(options)
    store = Store(folder / "records", identity_of(programs))
    if options.list:
        for plan in plans:
            _list(plan, store)
        return EXIT_DONE
    experiments = [plan.experiment.record_name for plan in plans]
    with measuring(options, folder, store, experiments) as output:
        lab = Lab(programs, output.scratch)
        return _publish([(plan, _measure(plan, lab, store)) for plan in plans], output,
                        options.quick)


def _list(plan: Plan, store: Store) -> None:
    print(f"{plan.experiment.name}: {plan.experiment.observation}")
    first = store.find_all(plan.first, plan.first_repeats)
    found = {case.name: 1.0 for case in plan.first} | plan.known(first)
    print_list(plan.first, store, plan.first_repeats)
    print_list(plan.cases(found), store, plan.repeats)


def _measure(plan: Plan, lab: Lab, store: Store) -> list[Record]:
    """All records of an experiment; without those that depend on one that is missing."""
    def runner(case: Case) -> dict:
        return plan.experiment.run(lab, case)

    print(f"{plan.experiment.name}: {plan.experiment.observation}", flush=True)
    first = run_cases(plan.first, plan.first_repeats, store, runner)
    if any(record.status != DONE for record in first):
        return first
    return first + run_cases(plan.cases(plan.known(first)), plan.repeats, store, runner)


def _publish(measured: Sequence[tuple[Plan, Sequence[Record]]], output: Output,
             quick: bool) -> int:
    """A section for each experiment, behind one table of all verdicts."""
    folder = output.folder / NAME
    verdicts, sections = [], []
    for plan, records in measured:
        study = plan.experiment.study()
        verdict = study.observation.verdict(records)
        verdicts.append((plan.experiment.name, study.observation, verdict))
        sections.append(f"## {study.title}\n\n{write_report(study, records, folder, link='')}")
        print(f"{plan.experiment.name}: {verdict.outcome}: {verdict.figure}")
    table = table_of(verdicts)
    write_whole(folder / f"{NAME}.csv", table.csv())
    write_whole(folder / f"{NAME}.md",
                "\n".join(["# Observations\n", table.markdown(), *sections]))
    return conclude(folder / NAME, [record for _, records in measured for record in records],
                    quick)
