"""The command line of the comparison of models, and how one of its cases is run."""

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path

from studies import blast, compare, compare_report
from studies.blast import Load, warm_up
from studies.campaign import medians, run_cases
from studies.cases import Case
from studies.command import (Parser, add_common_options, add_page_options, identity_of, measuring,
                             names_of, output_folder, positive, print_list, programs_of, publish,
                             run)
from studies.compare import MODELS, SERVICES, Capacity, CaseMaker, Row
from studies.compare_figures import answers_per_s, lanes_summary
from studies.errors import EXIT_DONE, CannotRun, WrongUsage
from studies.programs import Programs
from studies.progress import minutes
from studies.records import Record, Store
from studies.resources import memory_mib, usage
from studies.server import Server

SECONDS, QUICK_SECONDS = 1.5, 0.2
REPEATS, QUICK_REPEATS = 3, 1
CAPACITY_REPEATS = 3  # not an option, for the rates depend on it
OVERHEAD_S = 1.3  # of a case: start, warm-up, grace of the client, end
CLIENT_SERVICES = ("echo", "lookup", "work")


def _options(description: str) -> argparse.Namespace:
    parser = Parser(description)
    add_common_options(parser)
    parser.add_argument("--resume", action="store_true",
                        help="go on where an earlier run was; so it does without it, too, but "
                        "--fresh is an error then")
    parser.add_argument("--repeat", type=positive, metavar="N",
                        help=f"run each case N times, interleaved ({REPEATS})")
    parser.add_argument("--seconds", type=_seconds, metavar="S",
                        help=f"length of each load ({SECONDS:g}, with --quick {QUICK_SECONDS:g})")
    parser.add_argument("--models", type=names_of("model", MODELS), default=list(MODELS),
                        metavar="MODEL[,..]", help="only these: " + ", ".join(MODELS))
    parser.add_argument("--services", type=names_of("service", SERVICES),
                        metavar="SERVICE[,..]", help="only these: " + ", ".join(SERVICES))
    own = parser.add_argument_group("a service and load of your own, on 1 and 2 CPUs")
    own.add_argument("--service", metavar="NAME", help="CPSS_SERVICE")
    own.add_argument("--env", action="append", default=[], type=_setting, metavar="NAME=VALUE",
                     help="a setting of the server that all models use; more than once: several")
    own.add_argument("--load", metavar="OPTIONS",
                     help='options of udpblast as one word, such as "-c 64 -Q 10000 --size 200"; '
                     "written --load=...; without -Q a closed loop")
    add_page_options(parser.add_argument_group("the page"), "docs/models.md and docs/models/")
    options = parser.parse_args()
    if options.resume and options.fresh:
        parser.error("--resume and --fresh are opposites")
    if (options.env or options.load is not None) and options.service is None:
        parser.error("--env and --load want a --service")
    if options.service is not None and options.services is not None:
        parser.error("--service and --services do not go together")
    return options


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise ValueError
    return value


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.startswith("CPSS_"):
        raise argparse.ArgumentTypeError(f"'{text}' is not CPSS_NAME=VALUE")
    return name, value


def main(description: str) -> int:
    options = _options(description)
    return run(lambda: _body(options))


def _body(options: argparse.Namespace) -> int:
    folder = output_folder(options)
    if options.page:
        print(compare_report.write_page(folder / "records", options.docs))
        return EXIT_DONE
    programs = programs_of(options)
    if "CPSS_MODEL" not in programs.settings:
        raise CannotRun(f"{programs.cpssd} has no CPSS_MODEL: build it again")
    store = Store(folder / "records", identity_of(programs))
    options.seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    plan = _Plan(options, CaseMaker(programs.settings, options.seconds, options.quick,
                                    folder / "compare-numbers"))
    if options.list:
        plan.print_list(store)
        return EXIT_DONE
    with measuring(options, folder, store, [plan.study.experiment]) as output:
        plan.prepare(folder)
        records = plan.measure(store, ModelRunner(programs, output.scratch))
        return publish(plan.study, records, output, options.quick)


class _Plan:
    """The cases that the options ask for."""

    def __init__(self, options: argparse.Namespace, make: CaseMaker):
        self._options = options
        self._make = make
        self._repeats = options.repeat or (QUICK_REPEATS if options.quick else REPEATS)
        self._capacity_repeats = QUICK_REPEATS if options.quick else CAPACITY_REPEATS
        self.study = compare_report.OWN_STUDY if options.service else compare_report.STUDY
        self._rows: list[Row] = []
        self._capacities: list[Capacity] = []
        if options.service is None:
            self._rows = [row for row in compare.all_rows() if self._wanted(row)]
            self._capacities = compare.capacities_of(self._rows)
            if not self._rows:
                raise WrongUsage("none of these models meets one of these services")

    def _wanted(self, row: Row) -> bool:
        options = self._options
        return (not options.quick or row.quick) and row.model in options.models and \
            row.cell.service in (options.services or SERVICES)

    def prepare(self, folder: Path) -> None:
        if any(SERVICES[row.cell.service].name == "lookup" for row in self._rows):
            compare.write_numbers(folder / "compare-numbers")

    def measure(self, store: Store, runner) -> list[Record]:
        capacities = self._capacity_cases()
        cases = self._cases(self._known(store))
        total = sum((case.load.expected_s() + OVERHEAD_S) * repeats
                    for some, repeats in ((capacities, self._capacity_repeats),
                                          (cases, self._repeats)) for case in some)
        print(f"{len(capacities)} capacities, {len(cases)} cases {self._repeats} times: about "
              f"{minutes(total)} if nothing is measured yet", flush=True)
        first = run_cases(capacities, self._capacity_repeats, store, runner, OVERHEAD_S)
        return first + run_cases(self._cases(medians(first, answers_per_s)), self._repeats, store,
                                 runner, OVERHEAD_S)

    def print_list(self, store: Store) -> None:
        print_list(self._capacity_cases(), store, self._capacity_repeats)
        print_list(self._cases({**{capacity.name: 1.0 for capacity in self._capacities},
                                **self._known(store)}), store, self._repeats)

    def _known(self, store: Store) -> dict[str, float]:
        return medians(store.find_all(self._capacity_cases(), self._capacity_repeats),
                       answers_per_s)

    def _capacity_cases(self) -> list[Case]:
        return [self._make.capacity(capacity) for capacity in self._capacities]

    def _cases(self, capacities: Mapping[str, float]) -> list[Case]:
        if self._options.service is not None:
            return self._own_cases()
        return [self._make.row(row, capacities) for row in self._rows]

    def _own_cases(self) -> list[Case]:
        options = self._options
        load = own_load(options.service, options.load or "", options.seconds)
        return [self._make.own(options.service, cpus, model, load, dict(options.env))
                for cpus in (1, 2) for model in options.models]


def own_load(service: str, text: str, seconds: float) -> Load:
    """`text`: options of udpblast, those that a load has in any case among them."""
    parser = argparse.ArgumentParser(prog="--load", add_help=False, allow_abbrev=False,
                                     exit_on_error=False)
    for names, field, kind in ((("--service",), "service", str), (("--count",), "count", int),
                               (("-l", "--limit"), "seconds", float), (("--size",), "size", int),
                               (("-Q", "--rate"), "rate", int),
                               (("-q", "--outstanding"), "outstanding", int),
                               (("-t", "--timeout"), "timeout_s", float),
                               (("-c", "--clients"), "clients", int),
                               (("-T", "--threads"), "threads", int)):
        parser.add_argument(*names, dest=field, type=kind, default=argparse.SUPPRESS)
    try:
        known, more = parser.parse_known_args(shlex.split(text))
    except (argparse.ArgumentError, ValueError) as error:
        raise WrongUsage(f"--load: {error}") from None
    given = {"service": service, **vars(known)}
    if given["service"] not in CLIENT_SERVICES:
        raise WrongUsage(f"udpblast has no service '{given['service']}': say in --load which it is "
                         f"to send as, --service with one of {', '.join(CLIENT_SERVICES)}")
    if "count" not in given:
        given.setdefault("seconds", seconds)
    return Load(**given, more=tuple(more))


class ModelRunner:
    """A server for the case alone, a short load to warm it up, the load, an end in good order."""

    def __init__(self, programs: Programs, scratch: Path):
        self._programs = programs
        self._scratch = scratch

    def __call__(self, case: Case) -> dict:
        with Server(self._programs, case.settings, case.server_cpus, self._scratch) as server:
            self._blast(case, warm_up(case.load), server)
            lanes, before = server.stats()["receivers"], usage(server.pid)
            report = self._blast(case, case.load, server)
            after = usage(server.pid)
            results = {"udpblast": report,
                       "lanes": lanes_summary(lanes, server.stats()["receivers"])}
            memory = memory_mib(server.pid)
            ended = server.stop()
            ledger = server.stats()["ledger"]
            return {**results, "server": ended, "ledger": ledger, "verify": server.check_ledger(),
                    "usage": {"cpu_s": after.cpu_s - before.cpu_s, "memory_mib": memory,
                              "processes": after.processes,
                              "switches_per_reply": _whole_life(ended, ledger)
                              if case.labels["transient"]
                              else (after.switches - before.switches) / max(1, report["right"])}}

    def _blast(self, case: Case, load: Load, server: Server) -> dict:
        return blast.run(self._programs, load, server, case.client_cpus)


def _whole_life(ended: Mapping, ledger: Mapping) -> float:
    """Switches for each reply from the start to the end, of processes that came and went, too."""
    return (ended["voluntary_switches"] + ended["involuntary_switches"]) / \
        max(1, ledger["answered"])
