"""What a study is to the commands that run it or make its page."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from studies.charts import Chart
from studies.errors import CannotRun
from studies.records import Record, write_whole
from studies.tables import Line, Table, read_lines
from studies.verdict import Observation

QUICK_WARNING = "QUICK MODE: these figures show that the study works. They mean nothing else."


@dataclass(frozen=True)
class Report:
    """Markdown `text` that goes before charts and table."""

    text: str
    table: Table


def no_charts(_: Sequence[Line]) -> list[Chart]:
    return []


@dataclass(frozen=True)
class Study:
    """A study makes its report from records alone, and its charts from its CSV file alone."""

    name: str  # of its files
    title: str
    experiment: str  # whose records it is made from
    report: Callable[[Sequence[Record]], Report]
    charts: Callable[[Sequence[Line]], list[Chart]] = no_charts
    observation: Observation | None = None  # that it tests, with a verdict


def repeats_of(records: Iterable[Record]) -> list[list[Record]]:
    """The records of each case, in order of repeats; cases in the order of their first record."""
    cases: dict[str, list[Record]] = {}
    for record in records:
        cases.setdefault(record.name, []).append(record)
    return [sorted(repeats, key=lambda record: record.repeat) for repeats in cases.values()]


def origin_of(records: Sequence[Record]) -> str:
    """Where figures come from, as Markdown: commit and machine, and whether they mean anything."""
    identity = records[0].identity
    machine = identity["machine"]
    warning = f"**{QUICK_WARNING}**\n\n" if records[0].labels.get("quick") else ""
    return (f"{warning}Commit `{identity['commit']}`, measured "
            f"{min(record.finished_at for record in records)[:10]} on: {machine['cpu']}, CPUs "
            f"{machine['cpus_allowed']}, {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
            f"`rmem_max` {machine['rmem_max']}. Mitigations: "
            f"{machine['mitigations'] or 'none needed or known'}.\n")


def clear(folder: Path) -> None:
    """Files of an older page go."""
    for old in [*folder.glob("*.csv"), *folder.glob("*.svg")]:
        old.unlink()


def write_files(study: Study, table: Table, folder: Path, link: str) -> list[str]:
    """Writes NAME.csv and the charts; returns the Markdown that shows each chart."""
    write_whole(folder / f"{study.name}.csv", table.csv())
    return _write_charts(study, table.lines(), folder, link)


def _write_charts(study: Study, lines: Sequence[Line], folder: Path, link: str) -> list[str]:
    parts = []
    for number, chart in zip(itertools.count(1), study.charts(lines)):
        file = f"{study.name}-{number}.svg"
        chart.write(folder / file)
        parts.append(f"![{chart.title}]({link}{file})\n")
    return parts


def redraw(study: Study, folder: Path, link: str, page: str) -> str:
    """Draws the charts anew from NAME.csv, and returns the page with them in the places of the
    old ones."""
    for old in folder.glob(f"{study.name}-[0-9].svg"):
        old.unlink()
    parts = _write_charts(study, read_lines(folder / f"{study.name}.csv"), folder, link)
    shown = re.compile(rf"(?:^!\[[^\n]*\]\({re.escape(link + study.name)}-\d\.svg\)\n\n?)+", re.M)
    page, count = shown.subn(lambda _: "\n".join(parts) + "\n", page)
    if count != bool(parts):
        raise CannotRun(f"the page has {count} places for charts of {study.name}, not "
                        f"{int(bool(parts))}")
    return page


def write_report(study: Study, records: Sequence[Record], folder: Path, link: str,
                 max_lines: int | None = None) -> str:
    """Writes NAME.csv and the charts into the folder; returns the Markdown with links to them
    that begin with `link`. A longer table than `max_lines` is cut; the CSV file never is."""
    report = study.report(records)
    parts = [report.text, *write_files(study, report.table, folder, link)]
    if max_lines is not None and len(report.table) > max_lines:
        parts.append(f"The first {max_lines} of {len(report.table)} lines; all of them are in "
                     f"[{study.name}.csv]({link}{study.name}.csv):\n")
    else:
        parts.append(f"As a file: [{study.name}.csv]({link}{study.name}.csv)\n")
    parts.append(report.table.markdown(max_lines))
    return "\n".join(parts)


def write_study(study: Study, records: Sequence[Record], folder: Path) -> Path:
    """The study as a page of its own, with its files beside it; returns the page."""
    page = folder / f"{study.name}.md"
    write_whole(page, f"# {study.title}\n\n{write_report(study, records, folder, link='')}")
    return page
