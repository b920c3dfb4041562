"""What a comparison of models is shown as: verdicts, tables, charts, the page."""

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from studies import charts
from studies.blast import Load
from studies.columns import client, label, of
from studies.compare import (CAPACITY, COUNT_CELLS, COUNTS, EXPERIMENT, GAIN, GRID, HALF, HERD,
                             ISOLATION, MODELS, OWN, OWN_EXPERIMENT, PREFORK, PROCESSES, SATURATION,
                             SERVICES, SPED, WORK_US, Cell, Row, all_rows, capacities_of,
                             processes_name, work_name)
from studies.compare_claims import CLAIMS, TARGETS, Claim
from studies.compare_figures import FIGURES, answers_per_s, p99_us
from studies.errors import CannotRun
from studies.records import DONE, Record, newest, result_of, write_whole
from studies.study import Report, Study, origin_of, repeats_of, write_charts
from studies.tables import Column, Table
from studies.verdict import table_of

_WHERE = (Column("table", label("group")), Column("service", label("service")),
          Column("CPUs", label("cpus")))
_COLUMNS = (
    Column("peers", label("peers")),
    Column("load", label("load")),
    Column("rate", lambda record: record.parameters["load"]["rate"]),
    Column("server", label("server")),
    *(Column(title, of(FIGURES[figure]), decimals, spread) for title, figure, decimals, spread in (
        ("answered a second", "answered_per_s", 0, True), ("CPU us a reply", "cpu_us", 2, False),
        ("p50 us", "p50_us", 1, False), ("p99 us", "p99_us", 1, True),
        ("p99.9 us", "p999_us", 1, False), ("short p99 us", "short_p99_us", 1, False),
        ("switches a reply", "switches", 3, False), ("memory MiB", "memory_mib", 1, False),
        ("largest share", "max_share", 3, False), ("imbalance", "imbalance", 2, False),
        ("lost races per 1000", "lost_races_per_1000", 1, False), ("lost", "lost", 0, False),
        ("schedule", "schedule", 0, False))),
    Column("client", client),
    Column("result", result_of),
)

TITLES = {
    CAPACITY: "Capacity, which shares are of",
    GRID: "Models",
    HERD: "A shared socket with more lanes than CPUs",
    COUNTS: "Number of processes",
    GAIN: "Two lanes against one",
    ISOLATION: "Even and uneven work",
    OWN: "Models",
}


def _order(records: Sequence[Record]) -> list[list[Record]]:
    """The repeats of each case; capacities first, then as all_rows has the cases."""
    some = list(all_rows())
    known = [*(capacity.name for capacity in capacities_of(some)), *(row.name for row in some)]
    place = {name: number for number, name in enumerate(known)}
    return sorted(repeats_of(records), key=lambda repeats: place.get(repeats[0].name, len(place)))


def tables(records: Sequence[Record]) -> str:
    """A table for each service and number of CPUs, under its group's heading."""
    groups: dict[str, dict[tuple[str, int], list[list[Record]]]] = {}
    for repeats in _order(records):
        labels = repeats[0].labels
        groups.setdefault(labels["group"], {}).setdefault(
            (labels["service"], labels["cpus"]), []).append(repeats)
    parts = []
    for group, some in groups.items():
        parts.append(f"### {TITLES[group]}\n")
        for (service, cpus), cases in some.items():
            about = f": {SERVICES[service].about}" if service in SERVICES else ""
            parts.append(f"**{service}**{about}. {cpus} CPU{'s' if cpus > 1 else ''}.\n")
            parts.append(Table(_shown(cases), cases).markdown())
    return "\n".join(parts)


def _shown(cases: Sequence[Sequence[Record]]) -> list[Column]:
    """Without columns that have nothing to say here."""
    return [column for column in _COLUMNS
            if any(column.of(record) is not None for repeats in cases for record in repeats)]


def verdicts(records: Sequence[Record], claims: Sequence[Claim]) -> str:
    return table_of([(claim.key, claim.observation, claim.verdict(records))
                     for claim in claims]).markdown()


class _Medians:
    """Of a figure, by the case's name; None where it was not measured."""

    def __init__(self, records: Sequence[Record]):
        self._repeats = {repeats[0].name: repeats for repeats in repeats_of(records)}

    def __call__(self, row: Row, figure: Callable[[Mapping], float]) -> float | None:
        values = [figure(record.results) for record in self._repeats.get(row.name, ())
                  if record.status == DONE]
        return statistics.median(values) if values else None


_Series = dict[str, list[tuple[float, float]]]


def against_work(records: Sequence[Record], cpus: int, load: str,
                 figure: Callable[[Mapping], float], to: str | None = None) -> _Series:
    """For each model a figure against microseconds of work, or its ratio to that of model `to`."""
    median = _Medians(records)
    series: _Series = {}
    for us in WORK_US:
        cell = Cell(work_name(us), cpus, 64, load)
        base = median(Row(cell, to), figure) if to else 1.0
        for model in MODELS:
            value = median(Row(cell, model), figure)
            if value is not None and base:
                series.setdefault(MODELS[model].title, []).append((us, value / base))
    return series


def against_processes(records: Sequence[Record]) -> _Series:
    """For each service answers a second, as a share of the most."""
    median = _Medians(records)
    series: _Series = {}
    for service, cell in COUNT_CELLS.items():
        points = [(count, value) for count in PROCESSES
                  if (value := median(Row(cell, PREFORK, processes_name(count)),
                                      answers_per_s)) is not None]
        if points:
            most = max(value for _, value in points) or 1
            series[service] = [(count, value / most) for count, value in points]
    return series


def _charts(records: Sequence[Record]) -> dict[str, Callable[[Path], None]]:
    wanted = [
        *(("Answers a second at saturation, "
           f"{cpus} CPU{'s' if cpus > 1 else ''}", "microseconds of work a message",
           f"times those of {SPED}",
           against_work(records, cpus, SATURATION, answers_per_s, to=SPED), False)
          for cpus in (1, 2)),
        ("p99 latency at half load, 1 CPU", "microseconds of work a message", "microseconds",
         against_work(records, 1, HALF, p99_us), True),
        ("Answers a second of pools of processes, 2 CPUs", "processes", "share of the most",
         against_processes(records), False)]

    def drawer(title, x_label, y_label, series, log_y) -> Callable[[Path], None]:
        return lambda path: charts.lines(path, title, x_label, y_label, series, log_x=True,
                                         log_y=log_y)

    return {chart[0]: drawer(*chart) for chart in wanted if chart[3]}


def report(records: Sequence[Record]) -> Report:
    text = "\n".join([origin_of(records), "## Old claims\n", verdicts(records, CLAIMS),
                      "## What this server is to reach\n", verdicts(records, TARGETS)])
    return Report(text, Table(_WHERE + _COLUMNS, _order(records)), _charts(records))


def own_report(records: Sequence[Record]) -> Report:
    load = records[0].parameters["load"]
    command = " ".join(Load(**{**load, "more": tuple(load["more"])}).arguments())
    text = (f"Load: `udpblast {command}`.\n\n{origin_of(records)}\n{tables(records)}")
    return Report(text, Table(_WHERE + _COLUMNS, _order(records)))


STUDY = Study("models", "Server models", EXPERIMENT, report)
OWN_STUDY = Study("models-own", "Server models, a service and load of one's own", OWN_EXPERIMENT,
                  own_report)


def write_page(records_folder: Path, docs: Path) -> Path:
    """Writes the generated parts of models.md, and the folder models/ beside it; files of an older
    page go."""
    records = newest(records_folder, EXPERIMENT)
    if not records:
        raise CannotRun(f"there are no records in {records_folder}: run scripts/compare-models")
    page, folder = docs / "models.md", docs / "models"
    for old in [*folder.glob("*.csv"), *folder.glob("*.svg")]:
        old.unlink()
    made = report(records)
    parts = {"origin": origin_of(records), "claims": verdicts(records, CLAIMS),
             "targets": verdicts(records, TARGETS), "tables": tables(records),
             "charts": "\n".join(write_charts(STUDY.name, made, folder, "models/"))}
    write_whole(folder / f"{STUDY.name}.csv", made.table.csv())
    text = page.read_text(encoding="utf-8")
    for name, content in parts.items():
        text = _replaced(text, name, content)
    write_whole(page, text)
    return page


def _replaced(text: str, name: str, content: str) -> str:
    begin, end = (f"<!-- {what} {name}, made by scripts/compare-models -->"
                  for what in ("begin", "end"))
    pattern = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.DOTALL)
    text, count = pattern.subn(lambda found: f"{found[1]}\n{content}\n{found[2]}", text)
    if count != 1:
        raise CannotRun(f"the page has no place for {name}: one pair of lines '{begin}' and "
                        f"'{end}' is wanted")
    return text
