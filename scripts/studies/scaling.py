"""The article's scaling test, made from the records of the matrix."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from studies import highest_rate, rows, search
from studies.charts import Chart, Dot, Dots, Panel
from studies.columns import (ANSWERS_PER_S, KERNEL_DROPS, OUTCOME, RATE, SENT, SENT_PER_S,
                             cpus_shared, label, of, received, sent)
from studies.records import Record
from studies.study import Report, Study, origin_of, repeats_of
from studies.tables import Column, Line, Table, number, spread

ABOUT = """\
Open loop: {count:,} messages of {size} bytes, service {service}, {rate:,} a second for every row,
whatever the server can take.{capacity} Each row has a server of its own, and as many slots as
messages; the last rows are the base rows once more, with the default of 8,192.

The key is `CPUs of the server | how many | sys, or process: queues in shared memory | threads |
real-time receive`; threads as in r1r1s1w4d2: 1 receive, 1 response, 1 service, 4 worker, at most 2
on demand. With workers, every message goes through one. `%rcv` and `%snd` are received and answered
messages as shares of those the client sent, `%throughput` is their mean, and the scaling figure is
(received + answered) / 2. Where the slots hold every message, each is answered in the end: what
differs then is `answered a second`, until the last answer. `schedule` is the client's: `kept`;
`late`, where it kept the rate but 1 % of the messages were sent more than a millisecond behind
their time; `NOT KEPT`, where less than 99 % of the rate was achieved.
"""
HIGHEST = """
`highest rate` is the highest of which {share:g} % is answered, within {near:.0f} %: each row with
the default slots is searched for it, in open loops of {probe_s:g} s. `limit` says what kept it from
more: the server, which lost messages, or the client, which could not send faster.
"""
NEARLY_ALL = 100 * highest_rate.LEAST_ANSWERED  # %


def answered(results: dict) -> int:
    return results["getstat"]["ledger"]["answered"]


def throughput(results: dict) -> float:
    return 100 * (received(results) + answered(results)) / (2 * sent(results))


COLUMNS = (
    Column("key", label("key")),
    Column("slots", label("slots")),
    RATE,
    SENT,
    Column("rcv msgs", of(received), spread=True),
    Column("snd msgs", of(answered), spread=True),
    Column("total", of(lambda results: received(results) + answered(results)), spread=True),
    Column("%rcv", of(lambda results: 100 * received(results) / sent(results)), 2),
    Column("%snd", of(lambda results: 100 * answered(results) / sent(results)), 2),
    Column("%throughput", of(throughput), 2, spread=True),
    Column("scaling figure", of(lambda results: (received(results) + answered(results)) / 2), 1),
    ANSWERS_PER_S,
    KERNEL_DROPS,
    SENT_PER_S,
    Column("highest rate", of(lambda results: results["highest"]["rate"]), spread=True),
    Column("limit", of(lambda results: results["highest"]["limit"])),
    *OUTCOME,
)


def report(records: Sequence[Record]) -> Report:
    cases = sorted(repeats_of(records), key=lambda repeats: rows.order_of(repeats[0].labels))
    load = records[0].parameters["load"]
    rate = records[0].labels["rate"]
    capacity = (f" That is the lower of 1.5 times what r1r1s1 can answer on one CPU "
                f"({rate['capacity']:,} a second, closed loop) and of the most that the client can "
                f"send ({rate['client_most']:,})."
                if rate else "")
    text = ABOUT.format(**load, capacity=capacity)
    searched = next((record.labels[highest_rate.LABEL] for record in records
                     if highest_rate.LABEL in record.labels), None)
    if searched:
        text += HIGHEST.format(share=NEARLY_ALL, near=100 * (search.NEAR_ENOUGH - 1),
                               probe_s=searched["probe_s"])
    return Report(text + "\n" + origin_of(records), Table(COLUMNS, cases))


@dataclass(frozen=True)
class RowLine:
    """A line of the table, and what its key says."""

    line: Line
    cpus: int
    synch: str
    shape: str
    receive: str

    def number(self, name: str) -> float | None:
        return number(self.line, name)

    @property
    def few_slots(self) -> bool:
        return int(self.line["slots"]) == rows.SMALL_SLOTS

    @property
    def plain(self) -> bool:
        return (self.synch, self.receive) == (rows.SYS, rows.NO_REAL_TIME)

    @property
    def series(self) -> str:
        return "1 CPU" if self.cpus == 1 else f"{self.cpus} CPUs"


def row_lines(lines: Iterable[Line]) -> list[RowLine]:
    """Of the lines that have figures."""
    found = []
    for line in lines:
        _, cpus, synch, shape, receive = line["key"].split("|")
        if line["%throughput"]:
            found.append(RowLine(line, int(cpus), synch, shape, receive))
    return found


def by_shape(some: Sequence[RowLine], column: str,
             bound: Callable[[RowLine], bool]) -> dict[str, dict[str, Dot]]:
    """Dots by number of CPUs and shape."""
    series: dict[str, dict[str, Dot]] = {}
    for row in some:
        if row.number(column) is not None:
            series.setdefault(row.series, {})[row.shape] = Dot(*spread(row.line, column),
                                                               bound(row))
    return series


def _client_was_the_limit(row: RowLine) -> bool:
    """It did not keep its rate, and the server answered as fast as it sent."""
    return "NOT KEPT" in row.line["schedule"] and \
        row.number("answered a second") >= 0.99 * row.number("sent a second")


def _best(series: dict[str, dict[str, Dot]], answers: str) -> str:
    """As a finding: which row `answers` most, and how it compares with the best on one CPU."""
    cpus, shape, dot = max(((cpus, shape, dot) for cpus, dots in series.items()
                            for shape, dot in dots.items()), key=lambda found: found[2].value)
    at_least = "at least " if dot.bound else ""
    text = f"{shape} on {cpus} {answers}, {at_least}{dot.value:,.0f} a second"
    alone = series.get("1 CPU")
    if cpus != "1 CPU" and alone:
        shape, first = max(alone.items(), key=lambda found: found[1].value)
        if first.value:
            text += f", {dot.value / first.value:.2f} times the best on one ({shape})"
    return text


def _article_load(some: Sequence[RowLine]) -> float:
    """A file that is older than the column has only the rates that the client achieved."""
    return max(row.number("rate") or row.number("sent a second") for row in some)


def _highest_rates(some: Sequence[RowLine]) -> Chart | None:
    """The highest rate of each shape; where it was not measured, answers a second in overload."""
    plain = [row for row in some if row.plain]
    series = by_shape(plain, "highest rate", lambda row: highest_rate.CLIENT in row.line["limit"])
    answers, x_label = "takes the highest rate", "messages a second"
    about = f"Highest rate of which {NEARLY_ALL:g} % is answered, by threads and CPUs of the server"
    if not series:
        series = by_shape([row for row in plain if not row.few_slots], "answered a second",
                          _client_was_the_limit)
        answers, x_label = "answers most", "answers a second"
        about = "Answers a second under the article's load, a slot for each message, by threads " \
                "and CPUs of the server"
    if not series:
        return None
    load = _article_load(some)
    about += cpus_shared(row.line for row in some)
    return Dots(_best(series, answers), about + ".", x_label,
                [Panel("", series, {f"the article's load, {load:,.0f} a second": load})],
                bound="the client could not send more", rows=_best_first(series))


def _best_first(series: dict[str, dict[str, Dot]]) -> list[str]:
    def best(shape: str) -> float:
        return max(dots[shape].value for dots in series.values() if shape in dots)

    return sorted(_shapes(series), key=best, reverse=True)


def _shapes(series: dict[str, dict[str, Dot]]) -> list[str]:
    """In the order of the matrix."""
    there = {shape for dots in series.values() for shape in dots}
    return [str(shape) for shape in rows.SHAPES if str(shape) in there]


VARIANTS = {"queues in shared memory": (rows.PROCESS, rows.NO_REAL_TIME),
            "real-time receive": (rows.SYS, rows.REAL_TIME),
            "both": (rows.PROCESS, rows.REAL_TIME)}


def _variants(some: Sequence[RowLine]) -> Chart | None:
    """What shared memory and real-time receive change, where the client has CPUs of its own."""
    apart = {(row.synch, row.receive, row.shape): row.number("answered a second") for row in some
             if row.cpus == 1 and row.line["client"] == "apart" and not row.few_slots}
    series = {}
    for name, variant in VARIANTS.items():
        dots = {shape: Dot(apart[(*variant, shape)] / base) for (synch, receive, shape), base
                in apart.items() if (synch, receive) == (rows.SYS, rows.NO_REAL_TIME)
                and (*variant, shape) in apart}
        if dots:
            series[name] = dots
    if not series:
        return None
    finding = ", ".join(f"{name} {statistics.median(dot.value for dot in dots.values()):.2f} times"
                        for name, dots in series.items())
    return Dots(f"Answers a second on 1 CPU: {finding}",
                "Times those of the same threads without, a slot for each message, under the "
                "article's load; the title has the medians.",
                "times the answers a second of the same threads without",
                [Panel("", series, {"without": 1.0})], from_zero=False, rows=_shapes(series))


def charts(lines: Sequence[Line]) -> list[Chart]:
    some = row_lines(lines)
    return [chart for draw in (_highest_rates, _variants)
            if some and (chart := draw(some))]


STUDY = Study("scaling", "Scaling", rows.EXPERIMENT, report, charts)
