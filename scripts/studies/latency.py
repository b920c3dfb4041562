"""The article's trace tables: what a message waits for and what each stage does, for each row."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studies import rows
from studies.charts import Chart, Dot, Dots, Panel
from studies.columns import of
from studies.records import DONE, Record, result_of
from studies.scaling import RowLine, row_lines, throughput
from studies.study import Report, Study, origin_of, repeats_of
from studies.tables import Column, Line, Table

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


@dataclass(frozen=True)
class StageFigures:
    """Of one stage of one record. Times in microseconds."""

    name: str
    messages: float
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


def stages_of(results: dict) -> list[StageFigures]:
    return [stage_figures(stage) for stage in results["getstat_live"]["stages"]]


SLOT_WAIT = "wait for a slot"


def _wait(stage: str) -> str:
    return f"wait for {stage.replace('_', ' ')}"


def _step(stage: str) -> str:
    return f"{stage.replace('_', ' ')} step"


def parts_us(stages: Sequence[StageFigures]) -> dict[str, float]:
    """What a message's time in the server is made of, in the order in which it passes: each stage
    and the wait for it, for the share of messages that took it."""
    messages = max(stage.messages for stage in stages) or 1
    parts = {SLOT_WAIT: sum(stage.slot_wait_us * stage.messages / messages for stage in stages)}
    for stage in stages:
        share = stage.messages / messages
        parts[_wait(stage.name)] = stage.queue_wait_us * share
        parts[_step(stage.name)] = stage.service_us * share
    return {part: value for part, value in parts.items() if value}


def total_us(results: dict) -> float:
    return sum(parts_us(stages_of(results)).values())


@dataclass(frozen=True)
class StageOfRecord:
    """A line's item. A record without results has one, without figures."""

    record: Record
    figures: StageFigures | None


def _of(name: str) -> Callable[[StageOfRecord], object]:
    return lambda item: getattr(item.figures, name) if item.figures else None


def _of_results(figure: Callable[[dict], float]) -> Callable[[StageOfRecord], object]:
    return lambda item: of(figure)(item.record)


COLUMNS = (
    Column("key", lambda item: item.record.labels["key"]),
    Column("slots", lambda item: item.record.labels["slots"]),
    Column("%throughput", _of_results(throughput), 2, spread=True),
    Column("total", _of_results(total_us), 1, spread=True),
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
    figures = [stages_of(record.results) for record in finished]
    return [[StageOfRecord(record, of_stage) for record, of_stage in zip(finished, stage)] + others
            for stage in zip(*figures)]


def _rank(repeats: Sequence[Record]) -> tuple:
    """Throughput as the table shows it, falling; total, rising; configuration. What has no figures
    comes last."""
    finished = [record.results for record in repeats if record.status == DONE]
    if not finished:
        return (1, 0, 0, repeats[0].name)
    return (0, -round(statistics.median(map(throughput, finished)), 2),
            statistics.median(map(total_us, finished)), repeats[0].name)


def report(records: Sequence[Record]) -> Report:
    cases = sorted(repeats_of(records), key=_rank)
    groups = [group for repeats in cases for group in _stages(repeats)]
    return Report(ABOUT + "\n" + origin_of(records), Table(COLUMNS, groups))


def _stage_of_line(row: RowLine) -> StageFigures:
    names = ("messages", "calls", "call", "sem waits", "sem wait", "slot wait", "queue wait",
             "service")
    return StageFigures(row.line["stage"], *(row.number(name) for name in names))


# As a message passes them.
STAGES = ("receive", "service", "worker", "on_demand", "response")
PARTS = (SLOT_WAIT, *(part for stage in STAGES for part in (_wait(stage), _step(stage))))
LEAST_SHOWN_US = 0.01


def charts(lines: Sequence[Line]) -> list[Chart]:
    """What a message's time is made of in the base rows: with the default slots, where they were
    measured."""
    plain = [row for row in row_lines(lines) if row.plain and row.line["stage"]]
    some = [row for row in plain if row.few_slots] or plain
    stages: dict[tuple[str, str], list[StageFigures]] = {}
    for row in some:
        stages.setdefault((row.series, row.shape), []).append(_stage_of_line(row))
    found: dict[str, dict[str, list[float]]] = {}
    shares: dict[str, list[float]] = {part: [] for part in PARTS}
    for (cpus, _), of_row in sorted(stages.items()):
        parts = parts_us(of_row)
        for part in PARTS:
            shares[part].append(parts.get(part, 0.0) / (sum(parts.values()) or 1))
            if parts.get(part, 0.0) >= LEAST_SHOWN_US:
                found.setdefault(cpus, {}).setdefault(part, []).append(parts[part])
    if not found:
        return []
    largest = max(PARTS, key=lambda part: statistics.median(shares[part]))
    series = {cpus: {part: Dot(statistics.median(values), min(values), max(values))
                     for part, values in parts.items()} for cpus, parts in found.items()}
    there = [part for part in PARTS if any(part in parts for parts in series.values())]
    slots = f"{int(some[0].line['slots']):,}"
    return [Dots(f"{100 * statistics.median(shares[largest]):.0f} % of a message's time in the "
                 f"server is the {largest}",
                 "Each stage and the wait for it, in the order in which a message passes them; "
                 f"{slots} slots, under the article's load. Median of {len(stages)} rows, least to "
                 "most.",
                 "microseconds a message", [Panel("", series)], log=True, rows=there)]


STUDY = Study("latency", "Latency", rows.EXPERIMENT, report, charts)
