"""A load, and udpblast that sends it."""

import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from studies import processes
from studies.errors import CaseFailed
from studies.programs import Programs
from studies.server import Server

LEAST_ACHIEVED = 0.99  # of the rate asked for, as udpblast has it
WARM_UP_S = 0.2
WARM_UP_OUTSTANDING = 64  # of an open loop's


@dataclass(frozen=True)
class Load:
    """What udpblast is to send. With `rate` it is an open loop of so many messages a second, else
    a closed loop of `outstanding` messages. At least one of `count` and `seconds` ends it."""

    service: str = "echo"
    count: int | None = None
    seconds: float | None = None
    size: int = 256
    rate: int | None = None
    outstanding: int | None = None
    timeout_s: float = 5
    clients: int = 1
    threads: int = 1
    more: tuple[str, ...] = ()  # further options of udpblast

    def arguments(self) -> list[str]:
        # Loss is what is measured here, not a fault.
        given = ["--service", self.service, "--size", str(self.size), "-t", f"{self.timeout_s:g}",
                 "-c", str(self.clients), "-T", str(self.threads), "--max-loss", "1", "--json"]
        for option, value in (("--count", self.count), ("-l", self.seconds), ("-Q", self.rate),
                              ("-q", self.outstanding)):
            if value is not None:
                given += [option, f"{value:g}" if isinstance(value, float) else str(value)]
        return given + list(self.more)

    def expected_s(self) -> float:
        """About how long it takes, without waiting for lost messages."""
        by_count = self.count / (self.rate or 50_000) if self.count is not None else None
        return min(limit for limit in (by_count, self.seconds) if limit is not None)


def warm_up(load: Load) -> Load:
    """A short load before it: a closed loop, which leaves nothing behind that is still to be done.
    """
    return dataclasses.replace(load, count=None, seconds=WARM_UP_S, rate=None,
                               outstanding=load.outstanding or max(WARM_UP_OUTSTANDING,
                                                                   load.clients))


class Blast:
    """udpblast at work: sends the load to a server from these CPUs. A context manager, which ends
    it in any case."""

    def __init__(self, programs: Programs, load: Load, server: Server, cpus: Sequence[int]):
        region = ["--stats-file", server.region] if server.region else []
        self._arguments = [programs.udpblast, "-s", "127.0.0.1", "-p", str(server.port), *region,
                           *load.arguments()]
        self._limit_s = 60 + 10 * load.expected_s() + 4 * load.timeout_s
        self._cpus = cpus

    def __enter__(self) -> "Blast":
        with contextlib.ExitStack() as files:
            self._out = files.enter_context(tempfile.TemporaryFile("w+"))
            self._errors = files.enter_context(tempfile.TemporaryFile("w+"))
            self._child = processes.start(self._arguments, self._cpus, self._out, self._errors)
            self._files = files.pop_all()
        return self

    def __exit__(self, *_) -> None:
        processes.end_now(self._child)
        self._files.close()

    def report(self) -> dict:
        """Waits for the end and returns what udpblast says, as docs/udpblast.md has it, with losses
        by place. Raises CaseFailed if it could not run or a reply was not what was asked for."""
        if processes.reap(self._child, self._limit_s) is None:
            raise CaseFailed(f"udpblast did not end within {self._limit_s:.0f} s")
        for file in (self._out, self._errors):
            file.seek(0)
        try:
            report = json.load(self._out)
        except json.JSONDecodeError:
            raise CaseFailed(f"udpblast: exit code {self._child.returncode}: "
                             f"{self._errors.read().strip()[-1000:]}") from None
        _demand_right_replies(report)
        return report


def run(programs: Programs, load: Load, server: Server, cpus: Sequence[int]) -> dict:
    """Sends the load and returns the report of udpblast, as Blast has it."""
    with Blast(programs, load, server, cpus) as blast:
        return blast.report()


def _demand_right_replies(report: dict) -> None:
    wrong = {name: report[name] for name in ("wrong", "unknown", "malformed") if report[name]}
    if wrong:
        raise CaseFailed(f"udpblast: {wrong}: {' / '.join(report['problems'])[:1000]}")
    if report["sent"] == 0:
        raise CaseFailed(f"udpblast sent nothing: {' / '.join(report['problems'])[:1000]}")


def demand_explained(report: dict) -> None:
    """Raises CaseFailed unless it is known of every message that was not answered where it was
    lost."""
    loss = report["loss"]
    if loss is None:
        raise CaseFailed(f"where messages were lost is not known: "
                         f"{' / '.join(report['loss_notes'])[:1000]}")
    if loss["unexplained"]:
        raise CaseFailed(f"{loss['unexplained']:,} of {loss['total']:,} lost messages are not "
                         f"explained: {json.dumps(loss)}")


def kept_rate(report: dict) -> bool:
    """Whether an open loop sent as many messages a second as it was to. On a machine that others
    use as well this holds far longer than that each of them was sent in time."""
    return report["schedule"]["achieved_ratio"] >= LEAST_ACHIEVED


def kept_time(report: dict) -> bool:
    """Whether latencies of an open loop, which count from the planned time, are not largely the
    client's own being late."""
    schedule, p99 = report["schedule"], report["latency_ns"]["p99"]
    return schedule["kept"] or p99 is not None and 4 * schedule["lag_ns"]["p99"] <= p99


def schedule_of(report: dict) -> str:
    """How an open loop kept its schedule: `kept`; `late` where the rate was kept, but more messages
    than udpblast allows were sent behind their time; `NOT KEPT`."""
    if report["schedule"]["kept"]:
        return "kept"
    return "late" if kept_rate(report) else "NOT KEPT"
