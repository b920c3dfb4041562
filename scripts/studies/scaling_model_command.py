"""The command line of the queueing model."""

import argparse

from studies import scaling_model, scaling_model_report
from studies.campaign import run_cases
from studies.command import (Parser, add_common_options, add_page_options, identity_of, measuring,
                             output_folder, print_list, programs_of, publish, run, write_newest)
from studies.compare_command import OVERHEAD_S, ModelRunner
from studies.errors import EXIT_DONE
from studies.records import Store

SECONDS, QUICK_SECONDS = 1.5, 0.2
ROUNDS, QUICK_ROUNDS = 5, 1


def main(description: str) -> int:
    parser = Parser(description)
    add_common_options(parser)
    add_page_options(parser, "docs/scaling-model/")
    options = parser.parse_args()
    return run(lambda: _body(options))


def _body(options: argparse.Namespace) -> int:
    if options.page:
        return write_newest(scaling_model_report.STUDY, options)
    programs, folder = programs_of(options), output_folder(options)
    seconds, rounds = (QUICK_SECONDS, QUICK_ROUNDS) if options.quick else (SECONDS, ROUNDS)
    cases = scaling_model.cases(programs.settings, seconds, options.quick)
    store = Store(folder / "records", identity_of(programs))
    if options.list:
        print_list(cases, store, rounds)
        return EXIT_DONE
    with measuring(options, folder, store, [scaling_model.EXPERIMENT]) as output:
        records = run_cases(cases, rounds, store, ModelRunner(programs, output.scratch), OVERHEAD_S)
        return publish(scaling_model_report.STUDY, records, output, options.quick)
