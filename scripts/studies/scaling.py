"""The article's scaling test, made from the records of the matrix."""

import statistics
from collections.abc import Callable, Sequence

from studies import blast, charts, rows
from studies.records import DONE, Record, result_of
from studies.study import Report, Study, origin_of, repeats_of
from studies.tables import Column, Table

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


def done(of: Callable[[Record], object]) -> Callable[[Record], object]:
    """A column's value for records that have results, none for others."""
    return lambda record: of(record) if record.status == DONE else None


def sent(record: Record) -> int:
    return record.results["udpblast"]["sent"]


def received(record: Record) -> int:
    return record.results["getstat"]["ledger"]["received"]


def answered(record: Record) -> int:
    return record.results["getstat"]["ledger"]["answered"]


def throughput(record: Record) -> float:
    return 100 * (received(record) + answered(record)) / (2 * sent(record))


def scaling_figure(record: Record) -> float:
    return (received(record) + answered(record)) / 2


def answered_per_s(record: Record) -> float:
    """In time, until the last answer. It tells rows apart whose slots held every message, so that
    each was answered in the end."""
    return record.results["udpblast"]["messages_per_s"]


def client(record: Record) -> str:
    own, servers = (set(record.parameters[cpus]) for cpus in ("client_cpus", "server_cpus"))
    return "shares CPUs" if own & servers else "apart"


COLUMNS = (
    Column("key", lambda record: record.labels["key"]),
    Column("slots", lambda record: record.labels["slots"]),
    Column("sent", done(sent)),
    Column("rcv msgs", done(received), spread=True),
    Column("snd msgs", done(answered), spread=True),
    Column("total", done(lambda record: received(record) + answered(record)), spread=True),
    Column("%rcv", done(lambda record: 100 * received(record) / sent(record)), 2),
    Column("%snd", done(lambda record: 100 * answered(record) / sent(record)), 2),
    Column("%throughput", done(throughput), 2, spread=True),
    Column("scaling figure", done(scaling_figure), 1),
    Column("answered a second", done(answered_per_s), spread=True),
    Column("kernel drops",
           done(lambda record: record.results["getstat"]["ledger"]["kernel_dropped"])),
    Column("sent a second", done(lambda record: record.results["udpblast"]["sent_per_s"])),
    Column("schedule", done(lambda record: blast.schedule_of(record.results["udpblast"]))),
    Column("client", client),
    Column("result", result_of),
)


def _median(repeats: Sequence[Record], of: Callable[[Record], float]) -> float:
    return statistics.median(of(record) for record in repeats)


def _is_plain(labels: dict) -> bool:
    return (labels["synch"], labels["receive"], labels["small_slots"]) == \
        (rows.SYS, rows.NO_REAL_TIME, False)


def _by_cpus(cases: Sequence[Sequence[Record]], of: Callable[[Record], float]
             ) -> dict[str, list[tuple[float, float]]]:
    """For each shape, a figure against CPUs."""
    series: dict[str, list[tuple[float, float]]] = {}
    for repeats in cases:
        labels = repeats[0].labels
        series.setdefault(labels["shape"], []).append((labels["cpus"], _median(repeats, of)))
    return series


def report(records: Sequence[Record]) -> Report:
    cases = sorted(repeats_of(records), key=lambda repeats: rows.order_of(repeats[0].labels))
    finished = [good for repeats in cases
                if (good := [record for record in repeats if record.status == DONE])]
    plain = [repeats for repeats in finished if _is_plain(repeats[0].labels)]
    shares = {repeats[0].name: {"%throughput": _median(repeats, throughput)}
              for repeats in finished}
    load = records[0].parameters["load"]
    rate = records[0].labels["rate"]
    capacity = (f" That is the lower of 1.5 times what r1r1s1 can answer on one CPU "
                f"({rate['capacity']:,} a second, closed loop) and of the most that the client can "
                f"send ({rate['client_most']:,})."
                if rate else "")
    text = ABOUT.format(**load, capacity=capacity) + "\n" + origin_of(records)
    drawn = {}
    if plain:
        drawn["Scaling figure against CPUs, rows with sys and none"] = lambda path: charts.lines(
            path, "Scaling figure", "CPUs of the server", "(received + answered) / 2",
            _by_cpus(plain, scaling_figure))
        drawn["Answers a second against CPUs, rows with sys and none"] = lambda path: charts.lines(
            path, "Answers a second", "CPUs of the server", "answered / time until the last answer",
            _by_cpus(plain, answered_per_s))
    if shares:
        drawn["Throughput of each row"] = lambda path: charts.bars(
            path, "Throughput", "% of what the client sent", shares)
    return Report(text, Table(COLUMNS, cases), drawn)


STUDY = Study("scaling", "Scaling", rows.EXPERIMENT, report)
