"""What the records of a comparison say: figures of a case, from its results."""

from collections.abc import Callable, Mapping, Sequence

from studies.columns import (answers_per_s, class_latency_us, latency_us, lost, replies, schedule)


def lanes_summary(before: Sequence[Mapping], after: Sequence[Mapping]) -> dict:
    """How the messages that were received between two readings of getstat's `receivers` were
    shared out. Imbalance: the largest share over the mean one; None where none was received."""
    known = {lane["lane"]: lane for lane in before}

    def grown(lane: Mapping, what: str) -> int:
        return lane[what] - known.get(lane["lane"], {}).get(what, 0)

    received = [grown(lane, "received") for lane in after]
    total = sum(received)
    return {"lanes": len(after), "received": total,
            "max_share": max(received) / total if total else None,
            "imbalance": max(received) * len(after) / total if total else None,
            "lost_races": sum(grown(lane, "lost_races") for lane in after),
            "handoffs": sum(grown(lane, "handoffs") for lane in after)}


def cpu_us(results: Mapping) -> float:
    """For each reply, of the server with all its processes."""
    return 1e6 * results["usage"]["cpu_s"] / replies(results)


def switches(results: Mapping) -> float:
    """For each reply. Where threads or processes come and go it is of the server's whole life."""
    return results["usage"]["switches_per_reply"]


def memory_mib(results: Mapping) -> float:
    return results["usage"]["memory_mib"]


def imbalance(results: Mapping) -> float | None:
    return results["lanes"]["imbalance"]


def lost_races_per_1000(results: Mapping) -> float:
    return 1000 * results["lanes"]["lost_races"] / replies(results)


p50_us, p99_us, p999_us = (latency_us(name) for name in ("p50", "p99", "p999"))
short_p99_us = class_latency_us("short", "p99")

FIGURES: dict[str, Callable[[Mapping], object]] = {
    "answered_per_s": answers_per_s, "cpu_us": cpu_us, "p50_us": p50_us, "p99_us": p99_us,
    "p999_us": p999_us, "short_p99_us": short_p99_us, "switches": switches,
    "memory_mib": memory_mib, "imbalance": imbalance,
    "max_share": lambda results: results["lanes"]["max_share"],
    "lost_races_per_1000": lost_races_per_1000,
    "lost": lost, "schedule": schedule}
