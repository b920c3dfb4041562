"""What the bench's figures say: targets and verdicts, the table, the chart."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from studies.bench import (BLOCKING, CPSSD, EXPERIMENT, FLOORS, INSTRUCTIONS, MMSG, OFFLOAD,
                           OUTSTANDING, SIZE, UNCOUNTED, traffics)
from studies.charts import Chart, Dot, Dots, Panel
from studies.columns import label, of
from studies.records import DONE, Record, result_of
from studies.study import Report, Study, origin_of, repeats_of
from studies.tables import Column, Line, Table, number, spread


def _of(name: str) -> Callable[[Record], object]:
    return of(itemgetter(name))



COLUMNS = (
    Column("traffic", label("traffic")),
    Column("server", label("server")),
    Column("messages/s", _of("messages_per_s"), spread=True),
    Column("CPU us a reply", _of("cpu_us"), 3, spread=True),
    Column("of the base", _of("ratio"), 3, spread=True),
    Column("machine us a reply", _of("machine_us"), 3),
    Column("system calls", _of("calls"), 4),
    Column("futex calls", _of("futex_calls"), 4),
    Column("switches", _of("switches"), 4),
    Column("server's CPU busy %", _of("busy_percent"), 1),
    Column("p50 us", _of("p50_us"), 1, spread=True),
    Column("p99 us", _of("p99_us"), 1),
    Column("instructions", _of(INSTRUCTIONS)),
    Column("result", result_of),
)


@dataclass(frozen=True)
class Target:
    """A figure, or its ratio to that of another case in the same round, and how small (or large) it
    is to be. `within_spread`: it is enough if the interval of the median reaches the limit."""

    name: str
    figure: str
    of: str
    to: str | None
    limit: float
    beyond: float | None = None
    at_least: bool = False
    within_spread: bool = False
    rounds: int = 10  # that a verdict needs


TARGETS = (
    Target("1 plain", "cpu_us", f"plain: {CPSSD}", f"plain: {MMSG}", 0.75, 0.60),
    Target("2 segments", "cpu_us", f"segments: {CPSSD}", f"segments: {MMSG}", 0.10, 0.07),
    Target("3 segments", "cpu_us", f"segments: {CPSSD}", f"segments: {OFFLOAD}", 2.0, 1.3),
    Target("4 peers", "cpu_us", f"peers: {CPSSD}", f"peers: {MMSG}", 1.00, 0.95),
    Target("5 ping", "p50_us", f"ping: {CPSSD}", f"ping: {BLOCKING}", 1.05, 0.6),
    Target("6 lookup", "cpu_us", f"lookup: {CPSSD}", f"segments: {CPSSD}", 1.5, 1.25),
    Target("2 segments", "calls", f"segments: {CPSSD}", None, 0.12),
    Target("2 segments", "futex_calls", f"segments: {CPSSD}", None, 0.02),
    Target("counters", "cpu_us", f"counters: {CPSSD}", f"counters: {UNCOUNTED}", 1.03, rounds=20),
    Target("sped, peers", "cpu_us", f"peers: {CPSSD}, sped", f"peers: {MMSG}", 1.00),
    Target("sped, segments", "cpu_us", f"segments: {CPSSD}, sped", f"segments: {CPSSD}", 1.00),
    Target("rate, segments", "messages_per_s", f"segments: {CPSSD}", f"segments: {MMSG}", 12,
           at_least=True),
    Target("rate, plain", "messages_per_s", f"plain: {CPSSD}", f"plain: {MMSG}", 1.0,
           at_least=True, within_spread=True),
    Target("rate, peers", "messages_per_s", f"peers: {CPSSD}", f"peers: {MMSG}", 1.0,
           at_least=True, within_spread=True),
    Target("article", "messages_per_s", f"article: {CPSSD}", None, 412_000, at_least=True),
    Target("unpinned, plain", "cpu_us", f"plain unpinned: {CPSSD}", f"plain unpinned: {MMSG}",
           0.605, within_spread=True),
    Target("unpinned, segments", "cpu_us", f"segments unpinned: {CPSSD}",
           f"segments unpinned: {MMSG}", 0.08, 0.06),
    Target("unpinned, segments", "cpu_us", f"segments unpinned: {CPSSD}",
           f"segments unpinned: {OFFLOAD}", 1.5, 1.2),
    # What it was with pools, before lanes shared their work.
    Target("instructions", INSTRUCTIONS, f"{INSTRUCTIONS}: {CPSSD}, plain", None, 1_265, 885,
           rounds=1),
    Target("instructions", INSTRUCTIONS, f"{INSTRUCTIONS}: {CPSSD}, 32 merged", None, 736, 515,
           rounds=1),
    Target("two service lanes", "messages_per_s", "work: cpssd, 2 service lanes",
           "work: cpssd, 1 service lane", 1.8, at_least=True),
)


def _by_name(records: Sequence[Record]) -> dict[str, dict[int, dict]]:
    """Results by the case's name and repeat."""
    found: dict[str, dict[int, dict]] = {}
    for record in records:
        if record.status == DONE:
            found.setdefault(record.name, {})[record.repeat] = record.results
    return found


def values_of(records: Sequence[Record], target: Target) -> list[float]:
    """Of each round in which both sides were measured."""
    found = _by_name(records)
    of = found.get(target.of, {})
    if target.to is None:
        return [of[repeat][target.figure] for repeat in sorted(of)]
    to = found.get(target.to, {})
    return [of[repeat][target.figure] / to[repeat][target.figure]
            for repeat in sorted(of.keys() & to.keys())]


FEWEST_FOR_INTERVAL = 6


def interval_of_median(values: Sequence[float]) -> tuple[float, float]:
    """Covers the median at 95 % or more whatever the distribution, from FEWEST_FOR_INTERVAL values
    on: as many of them are below it as heads among coins."""
    ordered = sorted(values)
    tail, outside = 0.0, 0
    while outside < len(ordered) // 2:
        tail += math.comb(len(ordered), outside) / 2 ** len(ordered)
        if tail > 0.025:
            break
        outside += 1
    outside = max(outside - 1, 0)
    return ordered[outside], ordered[-1 - outside]


def verdict(values: Sequence[float], target: Target) -> str:
    """`values`: of the rounds."""
    if len(values) < target.rounds:
        return "too few rounds"
    low, high = interval_of_median(values)
    best = (high if target.at_least else low) if target.within_spread else statistics.median(values)
    reached = best >= target.limit if target.at_least else best <= target.limit
    return "reached" if reached else "NOT reached"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}" if value < 0.1 else f"{value:.3f}"


def _target_lines(records: Sequence[Record]) -> list[str]:
    lines = ["| row | figure | of | to | rounds | median (95 % interval) | least to most | asked | "
             "beyond | |", "|---|---|---|---|---:|---:|---:|---:|---:|---|"]
    for target in TARGETS:
        values = values_of(records, target)
        if not values:
            continue
        interval = "too few rounds"
        if len(values) >= FEWEST_FOR_INTERVAL:
            interval = " to ".join(map(_number, interval_of_median(values)))
        sign = ">=" if target.at_least else "<="
        lines.append(f"| {target.name} | {target.figure} | {target.of} | {target.to or '-'} | "
                     f"{len(values)} | {_number(statistics.median(values))} ({interval}) | "
                     f"{_number(min(values))} to {_number(max(values))} | "
                     f"{sign} {target.limit:g} | "
                     f"{'' if target.beyond is None else f'{target.beyond:g}'} | "
                     f"{verdict(values, target)} |")
    return lines


# What CPU times are shares of, in the same round: a case, for each traffic that has one.
BASES = {**{traffic.name: f"{traffic.name}: {traffic.floors[0]}" for traffic in traffics(None)
            if traffic.floors},
         "lookup": f"segments: {CPSSD}", "lookup unpinned": f"segments unpinned: {CPSSD}",
         "counters": f"counters: {UNCOUNTED}"}


def with_ratios(records: Sequence[Record]) -> list[Record]:
    """Adds to each record its CPU time as a share of the base's in the same round."""
    found = _by_name(records)
    result = []
    for record in records:
        base = found.get(BASES.get(record.labels["traffic"], ""), {}).get(record.repeat)
        if record.status == DONE and base:
            ratio = {"ratio": record.results["cpu_us"] / base["cpu_us"]}
            record = dataclasses.replace(record, results={**record.results, **ratio})
        result.append(record)
    return result


ABOUT = f"""\
Messages of {SIZE} bytes, service echo where nothing else is said, closed loop of {OUTSTANDING}
messages. CPU time is the server process's own, from the scheduler; machine: busy time of all CPUs,
client, kernel and the client's start included, stolen time not; calls (without sched_yield) and
switches are the server's, each for one reply. Median of the rounds, least and most behind it;
`of the base`: CPU time as a share of another server's in the same round: the first bare loop's, for
lookup that of cpssd under segments, for counters that of the server without them; instructions: of
user space, for each message, by callgrind, of the steps receive, service and response alone.
"""


def report(records: Sequence[Record]) -> Report:
    text = ABOUT + "\n" + origin_of(records) + "\n" + "\n".join(_target_lines(records)) + "\n"
    return Report(text, Table(COLUMNS, repeats_of(with_ratios(records))))


PING = "ping"  # of which the round trip counts, not CPU time


def charts(lines: Sequence[Line]) -> list[Chart]:
    """CPU time as a share of the base's, with what is asked of it; for one message at a time the
    round trip."""
    by_case = {f"{line['traffic']}: {line['server']}": line for line in lines}
    panels = []
    for traffic in traffics(None):
        some = [line for line in lines if line["traffic"] == traffic.name]
        base = BASES.get(traffic.name)
        if base not in by_case:
            continue
        series: dict[str, dict[str, Dot]] = {}
        for line in some:
            dot = _round_trip(line, by_case[base]) if traffic.name == PING \
                else _share_of_base(line)
            if dot:
                series.setdefault(_kind(line["server"]), {})[_short(line["server"])] = dot
        if series:
            what = "median round trip" if traffic.name == PING else "CPU time a reply"
            one = _short(base.removeprefix(f"{traffic.name}: "))
            panels.append(Panel(f"{traffic.name}, {what}; 1 is {one}", series,
                                _marks(traffic.name, base, by_case)))
    if not panels:
        return []
    return [Dots(_finding(panels), "Each traffic's servers, as a ratio to one of them (less is "
                 "better), and what is asked of cpssd. Medians of the rounds, least to most.",
                 "ratio", panels, log=True,
                 text=lambda ratio: f"{ratio:.3g}")]


def _share_of_base(line: Line) -> Dot | None:
    value, least, most = spread(line, "of the base")
    return None if value is None else Dot(value, least, most)


def _round_trip(line: Line, base: Line) -> Dot | None:
    own, bases = number(line, "p50 us"), number(base, "p50 us")
    return Dot(own / bases) if own and bases else None


def _kind(server: str) -> str:
    return "bare loop" if server in FLOORS else \
        "cpssd" if server == CPSSD else "cpssd, set otherwise"


def _short(server: str) -> str:
    return server.replace("floor: ", "")


def _marks(traffic: str, base: str, by_case: dict[str, Line]) -> dict[str, float]:
    """What is asked of cpssd under this traffic."""
    figure = "p50_us" if traffic == PING else "cpu_us"
    marks = {}
    for target in TARGETS:
        if (target.figure, target.of) != (figure, f"{traffic}: {CPSSD}"):
            continue
        if target.to == base:
            marks["asked"] = target.limit
            if target.beyond:
                marks["beyond"] = target.beyond
        elif share := number(by_case.get(target.to, {}), "of the base"):
            marks["asked, to the loop with offload"] = target.limit * share
    return marks


def _finding(panels: Sequence[Panel]) -> str:
    ratios = {panel.title.partition(",")[0]: dot.value for panel in panels
              if (dot := panel.series.get("cpssd", {}).get(CPSSD))}
    parts = [(ratios[name], words) for name, words in (
        ("plain", "with plain datagrams"), ("segments", "in packets of 32"),
        ("peers", "with 256 peers")) if name in ratios]
    if not parts:
        return "What a reply costs"
    (first, words), *others = parts
    return ", ".join([f"A reply costs cpssd {first:.3g} times a bare loop's CPU time {words}",
                      *(f"{ratio:.3g} times {words}" for ratio, words in others)])


STUDY = Study("bench", "What a reply costs", EXPERIMENT, report, charts)
