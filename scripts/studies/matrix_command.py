"""The command line of the studies of the matrix, which share their runs."""

import argparse
import dataclasses
import fnmatch

from studies import calibration, highest_rate, rows
from studies.blast import Load
from studies.campaign import run_cases
from studies.cases import Case
from studies.command import (Parser, add_common_options, identity_of, measuring, output_folder,
                             positive, print_list, programs_of, publish, run)
from studies.errors import EXIT_DONE, EXIT_FAILED, WrongUsage
from studies.records import DONE, Store
from studies.study import Study

MESSAGES, QUICK_MESSAGES = 2_020_222, 10_000
SIZE = 256
TIMEOUT_S, QUICK_TIMEOUT_S = 30, 2
UNKNOWN_RATE = {"rate": 1, "capacity": 0, "client_most": 0}  # before it was measured


def _cpu_counts(text: str) -> list[int]:
    return sorted({positive(word) for word in text.split(",")})


def _options(description: str) -> argparse.Namespace:
    parser = Parser(description)
    add_common_options(parser)
    parser.add_argument("--rows", metavar="PATTERN",
                        help="only rows whose name, as --list prints it, has this in it; "
                        "* and ? are wildcards")
    parser.add_argument("--repeat", type=positive, default=1, metavar="N",
                        help="run each row N times, interleaved; tables have median and spread (1)")
    parser.add_argument("--service", choices=("echo", "lookup"), default="echo",
                        help="service of all rows; lookup is sent pings (echo)")
    parser.add_argument("--cpus", type=_cpu_counts, default=[1, 2], metavar="N,N",
                        help="how many CPUs the server may use (1,2)")
    parser.add_argument("--rate", type=positive, metavar="N",
                        help="messages a second for all rows, instead of measuring what to send")
    return parser.parse_args()


class Matrix:
    """The cases that the options ask for. Measuring their rate is a case too."""

    def __init__(self, options: argparse.Namespace, known_settings: frozenset[str]):
        self._options = options
        self._known_settings = known_settings
        quick = options.quick
        self._rows = list((rows.quick_matrix if quick else rows.full_matrix)(options.cpus))
        self.effort = calibration.QUICK if quick else calibration.FULL
        self._load = Load(options.service, QUICK_MESSAGES if quick else MESSAGES, size=SIZE,
                          timeout_s=QUICK_TIMEOUT_S if quick else TIMEOUT_S)

    def cases(self, results: dict) -> list[Case]:
        """At the rate that was given, else at the one of a calibration with these results."""
        given = self._options.rate
        load = dataclasses.replace(self._load, rate=given or results["rate"])
        measured = {} if given else {name: results[name] for name in ("capacity", "client_most")}
        make = rows.CaseMaker(self._known_settings, load, measured, self._options.quick)
        cases = {case.name: case for case in map(make, self._rows) if self._wanted(case)}
        return list(cases.values())

    def rate_case(self) -> Case:
        make = rows.CaseMaker(self._known_settings, self._load, {}, self._options.quick)
        return calibration.case_for(make(rows.Row(rows.BASE, 1, slots=rows.SMALL_SLOTS)),
                                    self.effort)

    def _wanted(self, case: Case) -> bool:
        pattern = self._options.rows
        return pattern is None or fnmatch.fnmatchcase(case.name, f"*{pattern}*")


def main(study: Study, description: str) -> int:
    options = _options(description)
    return run(lambda: _body(study, options))


def _body(study: Study, options: argparse.Namespace) -> int:
    programs = programs_of(options)
    matrix = Matrix(options, programs.settings)
    if not matrix.cases(UNKNOWN_RATE):
        raise WrongUsage(f"no row has '{options.rows}' in its name; --list prints them")
    folder = output_folder(options)
    store = Store(folder / "records", identity_of(programs))
    if options.list:
        known = store.find(matrix.rate_case(), 1)
        results = known.results if known else UNKNOWN_RATE
        print_list(matrix.cases(results), store, options.repeat)
        return EXIT_DONE
    experiments = (rows.EXPERIMENT, calibration.EXPERIMENT)
    with measuring(options, folder, store, experiments) as output:
        results = UNKNOWN_RATE
        if options.rate is None:
            measure_rate = calibration.runner(programs, output.scratch, matrix.effort)
            [measured] = run_cases([matrix.rate_case()], 1, store, measure_rate)
            if measured.status != DONE:
                print(f"FAILED: {measured.name}: {measured.reason}")
                return EXIT_FAILED
            results = measured.results
            print(f"r1r1s1 answers {results['capacity']:,} messages a second, the client can "
                  f"send {results['client_most']:,}: all rows get {results['rate']:,}", flush=True)
        records = run_cases(matrix.cases(results), options.repeat, store,
                            highest_rate.runner(programs, output.scratch))
        return publish(study, records, output, options.quick)
