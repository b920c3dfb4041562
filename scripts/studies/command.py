"""The command lines of the studies: options, exit codes, and what is the same for all."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from studies import charts, interruption, machine
from studies.cases import Case
from studies.errors import (EXIT_CANNOT_RUN, EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE,
                            CannotRun, WrongUsage)
from studies.programs import PROJECT, Programs, build_release
from studies.records import FAILED, Output, Record, Store, newest
from studies.study import QUICK_WARNING, Study, clear, write_study

EPILOG = """\
exit codes:
  0    done
  1    a case failed, or a ledger did not balance
  2    could not run
  64   usage
  130  interrupted; run again to go on
"""


class Parser(argparse.ArgumentParser):
    """Ends with the project's exit code for a wrong option."""

    def __init__(self, description: str, epilog: str = EPILOG):
        super().__init__(description=description, epilog=epilog,
                         formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str):
        sys.stderr.write(f"{self.prog}: {message}; try --help\n")
        sys.exit(EXIT_USAGE)


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def names_of(what: str, known: Collection[str]) -> Callable[[str], list[str]]:
    """The type of an option that takes names, with commas between them."""
    def names(text: str) -> list[str]:
        wanted = text.split(",")
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"no {what} '{unknown[0]}'; there are: "
                                             f"{', '.join(known)}")
        return wanted
    return names


def add_common_options(parser: Parser) -> None:
    """Options of every study that measures."""
    parser.add_argument("--quick", action="store_true",
                        help="a few cases with few messages; figures that mean nothing")
    parser.add_argument("--fresh", action="store_true",
                        help="forget what earlier runs measured of this commit on this machine")
    parser.add_argument("--list", action="store_true", help="print the cases and measure nothing")
    parser.add_argument("--output", type=Path, metavar="DIR",
                        help="where records, tables and charts go (build/studies, with --quick "
                        "build/studies-quick)")
    parser.add_argument("--build", type=Path, metavar="DIR",
                        help="take the programs of this build folder as they are (build/release, "
                        "built first)")


def add_page_options(parser, page: str) -> None:
    """Options of a study that writes a page of its own; `parser` may be a group of options."""
    parser.add_argument("--page", action="store_true",
                        help=f"measure nothing; write {page} from the newest records")
    parser.add_argument("--docs", type=Path, default=PROJECT / "docs", metavar="DIR",
                        help="where that is (docs)")


def output_folder(options: argparse.Namespace) -> Path:
    return options.output or PROJECT / ("build/studies-quick" if options.quick else "build/studies")


def programs_of(options: argparse.Namespace) -> Programs:
    return Programs(options.build.resolve() if options.build else build_release())


def identity_of(programs: Programs) -> dict:
    """What has to be the same for records to be used again."""
    return {"commit": machine.commit(PROJECT), "programs": programs.digest,
            "machine": machine.facts()}


def print_list(cases: Sequence[Case], store: Store, repeats: int) -> None:
    for case in cases:
        there = len(store.find_all([case], repeats))
        state = f"skipped: {case.skip}" if case.skip else f"{there} of {repeats} measured"
        print(f"{case.name}  {state}")


@contextlib.contextmanager
def measuring(options: argparse.Namespace, folder: Path, store: Store,
              experiments: Sequence[str]) -> Iterator[Output]:
    """Inside it the output folder is the study's own. `experiments`: whose records are forgotten
    where that was asked for."""
    with contextlib.closing(Output(folder)) as output:
        if options.quick:
            print(QUICK_WARNING, flush=True)
        if options.fresh:
            store.forget(experiments)
        yield output


def publish(study: Study, records: Sequence[Record], output: Output, quick: bool) -> int:
    """Writes tables and charts, says where they are and what failed; returns the exit code."""
    page = write_study(study, records, output.folder / study.name)
    return conclude(page.with_suffix(""), records, quick)


def write_newest(study: Study, options: argparse.Namespace) -> int:
    """--page, where the page is a folder of the study's name; returns the exit code."""
    records_folder = output_folder(options) / "records"
    records = newest(records_folder, study.experiment)
    if not records:
        raise CannotRun(f"there are no records in {records_folder}: run "
                        f"scripts/{Path(sys.argv[0]).name}")
    folder = options.docs / study.name
    folder.mkdir(exist_ok=True)
    clear(folder)
    print(write_study(study, records, folder))
    return EXIT_DONE


def conclude(written: Path, records: Sequence[Record], quick: bool) -> int:
    """Says where tables and charts are and what failed; returns the exit code."""
    failed = [record for record in records if record.status == FAILED]
    for record in failed:
        print(f"FAILED: {record.name}: {record.reason}")
    print(f"{written}.md, .csv and charts: {len(records)} records, {len(failed)} failed")
    if quick:
        print(QUICK_WARNING)
    return EXIT_FAILED if failed else EXIT_DONE


def run(body: Callable[[], int]) -> int:
    """Runs a command's body; how it ended, as exit code. SIGTERM is taken like Ctrl-C."""
    interruption.take_over()
    name = Path(sys.argv[0]).name
    try:
        charts.demand_matplotlib()
        code = body()
        interruption.check()
        return code
    except CannotRun as error:
        print(f"{name}: {error}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    except WrongUsage as error:
        print(f"{name}: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; run it again to go on", file=sys.stderr)
        return EXIT_INTERRUPTED
