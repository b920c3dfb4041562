"""What the bench's figures say: targets and verdicts, the table, the chart."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studies import charts
from studies.bench import (BLOCKING, CPSSD, EXPERIMENT, MMSG, OFFLOAD, OUTSTANDING, SIZE, UNCOUNTED,
                           traffics)
from studies.records import DONE, Record, result_of
from studies.study import Report, Study, origin_of, repeats_of
from studies.tables import Column, Table


def _of(name: str) -> Callable[[Record], object]:
    return lambda record: record.results.get(name) if record.status == DONE else None


COLUMNS = (
    Column("traffic", lambda record: record.labels["traffic"]),
    Column("server", lambda record: record.labels["server"]),
    Column("messages/s", _of("messages_per_s"), spread=True),
    Column("CPU us a reply", _of("cpu_us"), 3, spread=True),
    Column("of the floor", lambda record: record.results.get("ratio"), 3, spread=True),
    Column("machine us a reply", _of("machine_us"), 3),
    Column("system calls", _of("calls"), 4),
    Column("futex calls", _of("futex_calls"), 4),
    Column("switches", _of("switches"), 4),
    Column("server's CPU busy %", _of("busy_percent"), 1),
    Column("p50 us", _of("p50_us"), 1, spread=True),
    Column("p99 us", _of("p99_us"), 1),
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


FIRST_FLOORS = {traffic.name: traffic.floors[0] for traffic in traffics(None) if traffic.floors}


def with_ratios(records: Sequence[Record]) -> list[Record]:
    """Adds to each record its CPU time as a share of that of the traffic's first floor in the same
    round."""
    found = _by_name(records)
    result = []
    for record in records:
        floor = FIRST_FLOORS.get(record.labels["traffic"])
        base = found.get(f"{record.labels['traffic']}: {floor}", {}).get(record.repeat)
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
`of the floor`: CPU time as a share of the first floor's of the same round.
"""


def report(records: Sequence[Record]) -> Report:
    cases = repeats_of(with_ratios(records))
    text = (ABOUT + "\n" + origin_of(records) + "\n" + "\n".join(_target_lines(records)) + "\n")
    bars = {repeats[0].name: {"CPU us a reply": statistics.median(values)}
            for repeats in cases
            if (values := [record.results["cpu_us"] for record in repeats
                           if record.status == DONE])}
    drawn = {"Server CPU time a reply": lambda path: charts.bars(
        path, "Server CPU time a reply", "microseconds", bars)} if bars else {}
    return Report(text, Table(COLUMNS, cases), drawn)


STUDY = Study("bench", "What a reply costs", EXPERIMENT, report)
