"""Figures and columns that the studies' tables share. A figure is a function of a record's results;
`of` makes a column's value of it. Times are in microseconds."""

from collections.abc import Callable, Iterable

from studies import blast
from studies.records import DONE, Record, result_of
from studies.tables import Column, Line

SHARES_CPUS = "shares CPUs"  # the client, with the server


def of(figure: Callable[[dict], object]) -> Callable[[Record], object]:
    """A column's value from the results of a case. None where it did not measure that."""
    def value(record: Record) -> object:
        if record.status != DONE:
            return None
        try:
            return figure(record.results)
        except KeyError:
            return None
    return value


def cpus_shared(lines: Iterable[Line]) -> str:
    """What a chart of several numbers of CPUs has to say of them."""
    return "; with 2 CPUs the client shares them" \
        if any(line["client"] == SHARES_CPUS for line in lines) else ""


def label(name: str) -> Callable[[Record], object]:
    return lambda record: record.labels.get(name)


def client(record: Record) -> str:
    own, servers = (set(record.parameters[cpus]) for cpus in ("client_cpus", "server_cpus"))
    return SHARES_CPUS if own & servers else "apart"


def answers_per_s(results: dict) -> float:
    """In time, until the last answer."""
    return results["udpblast"]["messages_per_s"]


def sent(results: dict) -> int:
    return results["udpblast"]["sent"]


def sent_per_s(results: dict) -> float:
    return results["udpblast"]["sent_per_s"]


def answered(results: dict) -> int:
    return results["udpblast"]["right"]


def lost(results: dict) -> int:
    return sent(results) - answered(results)


def received(results: dict) -> int:
    """By the server."""
    return results["getstat"]["ledger"]["received"]


def kernel_drops(results: dict) -> int:
    return results["getstat"]["ledger"]["kernel_dropped"]


def held(results: dict) -> int:
    """What slots and socket buffer took of a burst that was larger than they are."""
    return sent(results) - kernel_drops(results)


def places(report: dict) -> dict[str, int]:
    """Where messages were lost, and how many."""
    return {place: count for place, count in report["loss"].items()
            if count and place not in ("total", "unexplained")}


def latency_us(percentile: str) -> Callable[[dict], float | None]:
    """None where no message was answered."""
    def value(results: dict) -> float | None:
        latency_ns = results["udpblast"]["latency_ns"][percentile]
        return None if latency_ns is None else latency_ns / 1000
    return value


def class_latency_us(name: str, percentile: str) -> Callable[[dict], float | None]:
    """Of a class of service work; None where no message was of it."""
    def value(results: dict) -> float | None:
        latencies = [each["latency_ns"] for each in results["udpblast"]["classes"]
                     if each["name"] == name and each["latency_ns"]["count"]]
        return latencies[0][percentile] / 1000 if latencies else None
    return value


def replies(results: dict) -> int:
    """To divide by."""
    return max(1, answered(results))


def cpu_us_per_reply(results: dict) -> float:
    """The server's, as a Watch saw it."""
    return 1e6 * results["resources"]["cpu_s"] / replies(results)


def memory_grown_kib(results: dict) -> int:
    resources = results["resources"]
    return resources["last"]["max_resident_kib"] - resources["first"]["resident_kib"]


def schedule(results: dict) -> str | None:
    """The client's; None of a closed loop, which has none."""
    report = results["udpblast"]
    return blast.schedule_of(report) if report["schedule"] else None


CASE = Column("case", lambda record: record.name)
SENT = Column("sent", of(sent))
SENT_PER_S = Column("sent a second", of(sent_per_s))
ANSWERED = Column("answered", of(answered), spread=True)
ANSWERS_PER_S = Column("answered a second", of(answers_per_s), spread=True)
LOST = Column("lost", of(lost), spread=True)
LOST_WHERE = Column("lost where", of(lambda results: ", ".join(places(results["udpblast"]))))
KERNEL_DROPS = Column("kernel drops", of(kernel_drops), spread=True)
RATE = Column("rate", lambda record: record.parameters["load"]["rate"])
LATENCIES = tuple(Column(f"{name} us", of(latency_us(key)), spread=key in ("p50", "p99"))
                  for name, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"),
                                    ("max", "max")))
CLASS_LATENCIES = tuple(Column(f"{name} {percentile} us", of(class_latency_us(name, percentile)),
                               spread=True)
                        for name in ("short", "long") for percentile in ("p50", "p99"))
# At the end of each table.
OUTCOME = (Column("schedule", of(schedule)), Column("client", client), Column("result", result_of))
