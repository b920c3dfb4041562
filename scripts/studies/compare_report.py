"""What a comparison of models is shown as: verdicts, tables, charts, the page."""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from studies.blast import Load
from studies.charts import Chart, Dot, Dots, Lines, Panel, grouped
from studies.columns import client, cpus_shared, label, of
from studies.compare import (CAPACITY, COUNT_CELLS, COUNTS, EXPERIMENT, GAIN, GRID, HALF, HERD,
                             ISOLATION, MODELS, OWN, OWN_EXPERIMENT, PREFORK, PROCESSES, SATURATION,
                             SERVICES, SPED, WORK_US, Cell, Row, all_rows, capacities_of,
                             processes_name, work_name)
from studies.compare_claims import CLAIMS, TARGETS, Claim
from studies.compare_figures import FIGURES
from studies.errors import CannotRun
from studies.records import Record, newest, result_of, write_whole
from studies.study import Report, Study, clear, origin_of, repeats_of, write_files
from studies.tables import Column, Line, Table, number
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


_Key = tuple[str, str, int, int, str, str]  # table, service, CPUs, peers, load, server


def _by_row(lines: Sequence[Line], column: str) -> dict[_Key, float]:
    """A column's values, of the lines that have one."""
    return {(line["table"], line["service"], int(line["CPUs"]), int(line["peers"]), line["load"],
             line["server"]): value
            for line in lines if (value := number(line, column)) is not None}


def _key(row: Row) -> _Key:
    cell = row.cell
    return cell.group, cell.service, cell.cpus, cell.peers, cell.load, row.server


_Panels = dict[int, dict[str, dict[str, float]]]  # length of work -> CPUs -> model -> value


def answers_panels(lines: Sequence[Line]) -> _Panels:
    """For each length of work and number of CPUs, each model's answers a second at saturation as a
    ratio to those of SPED on as many CPUs."""
    answers = _by_row(lines, "answered a second")
    panels: _Panels = {}
    for us, (name, cpus) in itertools.product(WORK_US, (("1 CPU", 1), ("2 CPUs", 2))):
        cell = Cell(work_name(us), cpus, 64, SATURATION)
        base = answers.get(_key(Row(cell, SPED)))
        found = {model: answers[key] / base for model in MODELS
                 if base and (key := _key(Row(cell, model))) in answers}
        if found:
            panels.setdefault(us, {})[name] = found
    return panels


def latency_panels(lines: Sequence[Line]) -> _Panels:
    """For each length of work, each model's p99 latency in milliseconds, half load, one CPU."""
    latencies = _by_row(lines, "p99 us")
    panels: _Panels = {}
    for us in WORK_US:
        cell = Cell(work_name(us), 1, 64, HALF)
        found = {model: latencies[key] / 1000 for model in MODELS
                 if (key := _key(Row(cell, model))) in latencies}
        if found:
            panels[us] = {"1 CPU": found}
    return panels


def against_processes(lines: Sequence[Line]) -> dict[str, list[tuple[float, float]]]:
    """For each service answers a second, as a share of the most."""
    answers = _by_row(lines, "answered a second")
    series = {}
    for service, cell in COUNT_CELLS.items():
        points = [(count, answers[key]) for count in PROCESSES
                  if (key := _key(Row(cell, PREFORK, processes_name(count)))) in answers]
        if points:
            most = max(value for _, value in points) or 1
            series[service] = [(count, value / most) for count, value in points]
    return series


def _model_dots(title: str, about: str, x_label: str, found: _Panels,
                marks: Mapping[str, float] | None = None, **more) -> Dots:
    """A panel for each length of work, a row for each model."""
    there = {model for panel in found.values() for dots in panel.values() for model in dots}
    panels = [Panel(f"{grouped(us)} us of work",
                    {cpus: {model: Dot(value) for model, value in dots.items()}
                     for cpus, dots in panel.items()}, marks or {}) for us, panel in found.items()]
    return Dots(title, about, x_label, panels, rows=[model for model in MODELS if model in there],
                **more)


CLOSE_TO_BEST = 0.95  # times


def _answers_finding(found: _Panels) -> str:
    """Which model is best with the shortest work, and how many are close to it with the longest; of
    the largest number of CPUs."""
    cpus = max(name for panel in found.values() for name in panel)
    lengths = [us for us, panel in found.items() if cpus in panel]
    short, long = found[lengths[0]][cpus], found[lengths[-1]][cpus]
    best = max(short, key=short.get)
    close = sum(value >= CLOSE_TO_BEST * max(long.values()) for value in long.values())
    return (f"On {cpus} {best} answers most with {lengths[0]} us of work, {short[best]:.2f} times "
            f"what {SPED} does; with {grouped(lengths[-1])} us {close} of {len(long)} models are "
            f"within {100 * (1 - CLOSE_TO_BEST):.0f} % of the best")


def _latency_finding(found: _Panels) -> str:
    best: dict[str, list[str]] = {}
    for us, panel in found.items():
        [dots] = panel.values()
        best.setdefault(min(dots, key=dots.get), []).append(grouped(us))
    return "Lowest p99 latency at half load: " + "; ".join(
        f"{model} with {', '.join(lengths)} us of work" for model, lengths in best.items())


def _processes_finding(series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    enough = {service: min(count for count, share in points if share >= CLOSE_TO_BEST)
              for service, points in series.items()}
    counts = [f"{count} for {service}" for service, count in enough.items()]
    return f"A pool of few processes is enough on 2 CPUs: {', '.join(counts)}"


def charts(lines: Sequence[Line]) -> list[Chart]:
    found: list[Chart] = []
    if answers := answers_panels(lines):
        found.append(_model_dots(
            _answers_finding(answers),
            f"Answers a second at saturation, as a ratio to those of {SPED} on as many CPUs"
            f"{cpus_shared(lines)}.", f"times {SPED}'s", answers, {SPED: 1.0}))
    if latencies := latency_panels(lines):
        found.append(_model_dots(
            _latency_finding(latencies),
            "p99 latency at half of what seda answers of as much work, 1 CPU; a message without "
            "reply counts 1 s.", "milliseconds", latencies, log=True,
            text=lambda ms: f"{ms:.2g}" if ms < 10 else grouped(round(ms))))
    if series := against_processes(lines):
        found.append(Lines(
            _processes_finding(series),
            "Answers a second of a pool of processes on 2 CPUs, as a share of the most with this "
            f"service; enough: {100 * CLOSE_TO_BEST:.0f} % of it.", "processes",
            "share of the most answers", series, log_x=True))
    return found


def report(records: Sequence[Record]) -> Report:
    text = "\n".join([origin_of(records), "## Old claims\n", verdicts(records, CLAIMS),
                      "## What this server is to reach\n", verdicts(records, TARGETS)])
    return Report(text, Table(_WHERE + _COLUMNS, _order(records)))


def own_report(records: Sequence[Record]) -> Report:
    load = records[0].parameters["load"]
    command = " ".join(Load(**{**load, "more": tuple(load["more"])}).arguments())
    text = (f"Load: `udpblast {command}`.\n\n{origin_of(records)}\n{tables(records)}")
    return Report(text, Table(_WHERE + _COLUMNS, _order(records)))


STUDY = Study("models", "Server models", EXPERIMENT, report, charts)
OWN_STUDY = Study("models-own", "Server models, a service and load of one's own", OWN_EXPERIMENT,
                  own_report)


def write_page(records_folder: Path, docs: Path) -> Path:
    """Writes the generated parts of models.md, and the folder models/ beside it; files of an older
    page go."""
    records = newest(records_folder, EXPERIMENT)
    if not records:
        raise CannotRun(f"there are no records in {records_folder}: run scripts/compare-models")
    page, folder = docs / "models.md", docs / "models"
    clear(folder)
    shown = write_files(STUDY, report(records).table, folder, "models/")
    parts = {"origin": origin_of(records), "claims": verdicts(records, CLAIMS),
             "targets": verdicts(records, TARGETS), "tables": tables(records),
             "charts": "\n".join(shown)}
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
