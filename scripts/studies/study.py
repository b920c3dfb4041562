"""What a study is to the commands that run it or make its page."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studies.records import Record, write_whole
from studies.tables import Table
from studies.verdict import Observation

QUICK_WARNING = "QUICK MODE: these figures show that the study works. They mean nothing else."


@dataclass(frozen=True)
class Report:
    """Markdown `text` that goes before charts and table."""

    text: str
    table: Table
    charts: dict[str, Callable[[Path], None]] = field(default_factory=dict)  # title -> writer


@dataclass(frozen=True)
class Study:
    """A study makes its report from records alone."""

    name: str  # of its files
    title: str
    experiment: str  # whose records it is made from
    report: Callable[[Sequence[Record]], Report]
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


def write_charts(name: str, report: Report, folder: Path, link: str) -> list[str]:
    """Writes the charts into the folder; returns the Markdown that shows each."""
    parts = []
    for number, (title, write) in zip(itertools.count(1), report.charts.items()):
        chart = f"{name}-{number}.svg"
        write(folder / chart)
        parts.append(f"![{title}]({link}{chart})\n")
    return parts


def write_report(study: Study, records: Sequence[Record], folder: Path, link: str,
                 max_lines: int | None = None) -> str:
    """Writes NAME.csv and the charts into the folder; returns the Markdown with links to them that
    begin with `link`. A longer table than `max_lines` is cut; the CSV file never is."""
    report = study.report(records)
    write_whole(folder / f"{study.name}.csv", report.table.csv())
    parts = [report.text, *write_charts(study.name, report, folder, link)]
    if max_lines is not None and len(report.table) > max_lines:
        parts.append(f"The first {max_lines} of {len(report.table)} lines; all of them are in "
                     f"[{study.name}.csv]({link}{study.name}.csv):\n")
    else:
        parts.append(f"As a file: [{study.name}.csv]({link}{study.name}.csv)\n")
    parts.append(report.table.markdown(max_lines))
    return "\n".join(parts)
