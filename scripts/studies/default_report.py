"""What the default's comparison with the best says: ratios, verdicts, the table, the chart."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from studies.bench_report import FEWEST_FOR_INTERVAL, interval_of_median
from studies.charts import Chart, Dot, Dots, Panel
from studies.columns import answers_per_s
from studies.compare_figures import cpu_us, p99_us
from studies.default import BEFORE, DEFAULT, EXPERIMENT, FINAL, LATENCY
from studies.records import DONE, Record
from studies.study import Report, Study, origin_of
from studies.tables import Column, Line, Table, number


@dataclass(frozen=True)
class Figure:
    """`limit` of the ratio of the default's to the best one's: it is enough if the interval
    reaches it."""

    name: str
    of: callable
    rounds: str
    limit: float
    more_is_better: bool

    def best_of(self, values: dict[str, float]) -> str:
        return (max if self.more_is_better else min)(values, key=values.get)

    def reached(self, low: float, high: float) -> bool:
        return high >= self.limit if self.more_is_better else low <= self.limit


RATE = Figure("messages a second", answers_per_s, FINAL, 0.95, True)
CPU = Figure("CPU us a reply", cpu_us, FINAL, 1.05, False)
P99 = Figure("p99 us at half load", p99_us, LATENCY, 1.2, False)
FIGURES = (RATE, CPU, P99)
ROUNDS_JUDGED = 10


def winner(records: Sequence[Record], figure: Figure) -> str | None:
    """The best candidate, by the medians of these records, which are all of one workload."""
    found: dict[str, list[float]] = {}
    for record in records:
        if record.status == DONE and record.labels["server"] not in (DEFAULT, BEFORE):
            found.setdefault(record.labels["server"], []).append(figure.of(record.results))
    return figure.best_of({name: statistics.median(values) for name, values in found.items()}) \
        if found else None


@dataclass(frozen=True)
class Row:
    """A workload and a figure; values by server and round."""

    workload: str
    figure: Figure
    best: str
    values: dict[str, dict[int, float]]

    def ratios(self, server: str) -> list[float]:
        own, best = self.values.get(server, {}), self.values.get(self.best, {})
        return [own[round_] / best[round_] for round_ in sorted(own.keys() & best.keys())]

    def median(self, server: str) -> float | None:
        values = self.values.get(server)
        return statistics.median(values.values()) if values else None


def rows_of(records: Sequence[Record]) -> list[Row]:
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record.labels["workload"], record.labels["rounds"]), []).append(record)
    rows = []
    for (workload, rounds), some in groups.items():
        for figure in FIGURES:
            # The winner was chosen before: in these rounds the others are the default's.
            best = _judged_against(some, figure) if figure.rounds == rounds else None
            if best is None:
                continue
            values: dict[str, dict[int, float]] = {}
            for record in some:
                if record.status == DONE:
                    values.setdefault(record.labels["server"], {})[record.repeat] = \
                        figure.of(record.results)
            rows.append(Row(workload, figure, best, values))
    return rows


def _judged_against(records: Sequence[Record], figure: Figure) -> str | None:
    best = next((record.labels["best"][figure.name] for record in records
                 if record.labels["server"] == DEFAULT), None)
    return best if best in {record.labels["server"] for record in records} else None


def verdict(row: Row) -> str:
    ratios = row.ratios(DEFAULT)
    if len(ratios) < ROUNDS_JUDGED:
        return "too few rounds"
    return "reached" if row.figure.reached(*interval_of_median(ratios)) else "NOT reached"


def _interval(row: Row) -> str:
    ratios = row.ratios(DEFAULT)
    if len(ratios) < FEWEST_FOR_INTERVAL:
        return ""
    return " to ".join(f"{value:.3f}" for value in interval_of_median(ratios))


def _median_ratio(row: Row, server: str) -> float | None:
    ratios = row.ratios(server)
    return statistics.median(ratios) if ratios else None


COLUMNS = (
    Column("workload", lambda row: row.workload),
    Column("figure", lambda row: row.figure.name),
    Column("best", lambda row: row.best),
    Column("its", lambda row: row.median(row.best), 2),
    Column("default's", lambda row: row.median(DEFAULT), 2),
    Column("ratio", lambda row: _median_ratio(row, DEFAULT), 3),
    Column("95 % interval", _interval),
    Column("asked", lambda row: f"{'>=' if row.figure.more_is_better else '<='} {row.figure.limit}"),
    Column("verdict", verdict),
    Column("ratio before", lambda row: _median_ratio(row, BEFORE), 3),
)

ABOUT = """\
A server started with nothing set but its service, against the candidate that was the best of all
with this workload in rounds before: answers a second, CPU time a reply, both at saturation, and p99
latency at half of what the best answers one by one. Ratios are within a round; it is enough if the
95 % interval of their median reaches what is asked.
"""


def report(records: Sequence[Record]) -> Report:
    rows = rows_of(records)
    return Report(f"{ABOUT}\n{origin_of(records)}", Table(COLUMNS, [[row] for row in rows]))


def charts(lines: Sequence[Line]) -> list[Chart]:
    panels = []
    for figure in FIGURES:
        some = [line for line in lines if line["figure"] == figure.name]
        series: dict[str, dict[str, Dot]] = {}
        for name, column in (("default", "ratio"), ("default before", "ratio before")):
            for line in some:
                value = number(line, column)
                if value is not None:
                    series.setdefault(name, {})[line["workload"]] = Dot(value)
        if series:
            panels.append(Panel(f"{figure.name}, ratio to the best's", series,
                                {"asked": figure.limit}))
    if not panels:
        return []
    return [Dots(_finding(lines), "The default's figures as ratios to those of the best candidate "
                 "of each workload.", "ratio", panels, log=True,
                 text=lambda ratio: f"{ratio:.2f}")]


def _finding(lines: Sequence[Line]) -> str:
    parts = []
    for figure in FIGURES:
        some = [line["verdict"] for line in lines if line["figure"] == figure.name]
        if some:
            parts.append(f"{figure.name} in {some.count('reached')} of {len(some)} workloads")
    return f"The default is as good as the best: {', '.join(parts)}"


STUDY = Study("default", "The default against the best", EXPERIMENT, report, charts)
