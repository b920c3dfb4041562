"""The article's trace tables: what a message waits for and what each stage does, for each row."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studies import charts, rows
from studies.records import DONE, Record, result_of
from studies.scaling import throughput
from studies.study import Report, Study, origin_of, repeats_of
from studies.tables import Column, Table

ABOUT = """\
The runs are those of the scaling study; the key is explained there. All figures are from the
server's own counters, read when the client had ended. Times are means in microseconds: `call` of a
system call to send or receive (`calls` counts those to wait for sockets, too), `sem wait` of a wait
for a semaphore without token that ended with one (the first of each lane begins when the server
does), `queue wait` of a message, `slot wait` of the lanes for free slots, shared by all messages,
`service` of a message in the step, for as long as its whole batch, which is handed on as one.
`total` is what a message spends in the server: the queue waits and steps of all stages, each
counted for the share of messages that took it, and the slot wait. Sorted by throughput, then total.
"""
SHOWN_IN_CHART = 30


@dataclass(frozen=True)
class StageFigures:
    """Of one stage of one record. Times in microseconds."""

    name: str
    messages: int
    calls: int
    call_us: float
    sem_waits: int
    sem_wait_us: float
    slot_wait_us: float
    queue_wait_us: float
    service_us: float


def _mean_us(total_ns: float, count: float) -> float:
    return total_ns / count / 1000 if count else 0.0


def stage_figures(stage: dict) -> StageFigures:
    """From a stage as getstat --json has it."""
    return StageFigures(
        name=stage["name"],
        messages=stage["entered"],
        calls=stage["syscalls"],
        call_us=_mean_us(stage["syscall_ns"], stage["syscalls"] - stage["wait_calls"]),
        sem_waits=stage["sem_waits"],
        sem_wait_us=_mean_us(stage["sem_wait_ns"], stage["sem_waits"]),
        slot_wait_us=_mean_us(stage["slot_wait_ns"], stage["entered"]),
        queue_wait_us=_mean_us(stage["queue_wait_ns"], stage["entered"]),
        service_us=_mean_us(stage["step_ns"], stage["entered"]))


def parts_us(record: Record) -> dict[str, float]:
    """What a message's time in the server is made of."""
    stages = [stage_figures(stage) for stage in record.results["getstat_live"]["stages"]]
    messages = max(stage.messages for stage in stages) or 1
    parts = {"slot wait": sum(stage.slot_wait_us * stage.messages / messages for stage in stages)}
    for stage in stages:
        share = stage.messages / messages
        parts[f"{stage.name}: queue wait"] = stage.queue_wait_us * share
        parts[f"{stage.name}: service"] = stage.service_us * share
    return {part: value for part, value in parts.items() if value}


def total_us(record: Record) -> float:
    return sum(parts_us(record).values())


@dataclass(frozen=True)
class StageOfRecord:
    """A line's item. A record without results has one, without figures."""

    record: Record
    figures: StageFigures | None


def _of(name: str) -> Callable[[StageOfRecord], object]:
    return lambda item: getattr(item.figures, name) if item.figures else None


def _of_record(of: Callable[[Record], float]) -> Callable[[StageOfRecord], object]:
    return lambda item: of(item.record) if item.record.status == DONE else None


COLUMNS = (
    Column("key", lambda item: item.record.labels["key"]),
    Column("slots", lambda item: item.record.labels["slots"]),
    Column("%throughput", _of_record(throughput), 2, spread=True),
    Column("total", _of_record(total_us), 1, spread=True),
    Column("stage", _of("name")),
    Column("messages", _of("messages")),
    Column("calls", _of("calls")),
    Column("call", _of("call_us"), 2),
    Column("sem waits", _of("sem_waits")),
    Column("sem wait", _of("sem_wait_us"), 2),
    Column("slot wait", _of("slot_wait_us"), 2),
    Column("queue wait", _of("queue_wait_us"), 2, spread=True),
    Column("service", _of("service_us"), 2, spread=True),
    Column("result", lambda item: result_of(item.record)),
)


def _stages(repeats: Sequence[Record]) -> list[list[StageOfRecord]]:
    """For each stage of a case, its repeats; those without figures stand in each."""
    finished = [record for record in repeats if record.status == DONE]
    others = [StageOfRecord(record, None) for record in repeats if record.status != DONE]
    if not finished:
        return [others]
    figures = [[stage_figures(stage) for stage in record.results["getstat_live"]["stages"]]
               for record in finished]
    return [[StageOfRecord(record, of_stage) for record, of_stage in zip(finished, stage)] + others
            for stage in zip(*figures)]


def _rank(repeats: Sequence[Record]) -> tuple:
    """Throughput as the table shows it, falling; total, rising; configuration. What has no figures
    comes last."""
    finished = [record for record in repeats if record.status == DONE]
    if not finished:
        return (1, 0, 0, repeats[0].name)
    return (0, -round(statistics.median(map(throughput, finished)), 2),
            statistics.median(map(total_us, finished)), repeats[0].name)


def _median_parts(repeats: Sequence[Record]) -> dict[str, float]:
    all_parts = [parts_us(record) for record in repeats]
    names = dict.fromkeys(name for parts in all_parts for name in parts)
    return {name: statistics.median(parts.get(name, 0.0) for parts in all_parts) for name in names}


def report(records: Sequence[Record]) -> Report:
    cases = sorted(repeats_of(records), key=_rank)
    groups = [group for repeats in cases for group in _stages(repeats)]
    finished = {repeats[0].name: good for repeats in cases
                if (good := [record for record in repeats if record.status == DONE])}
    best = {name: _median_parts(finished[name]) for name in list(finished)[:SHOWN_IN_CHART]}
    drawn = {}
    if best:
        drawn["What a message's time in the server is made of, best rows first"] = \
            lambda path: charts.bars(path, "Time in the server", "microseconds a message", best)
    return Report(ABOUT + "\n" + origin_of(records), Table(COLUMNS, groups), drawn)


STUDY = Study("latency", "Latency", rows.EXPERIMENT, report)
