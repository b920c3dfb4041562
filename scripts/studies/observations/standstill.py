"""A server that stands still: bursts into it, or until it has nothing more to do."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from studies.blast import Blast, demand_explained
from studies.cases import Case
from studies.errors import CaseFailed
from studies.observations.experiment import Lab
from studies.server import Server

STILL_S = 0.5  # nothing more arrives
LIMIT_S = 30


def kernel_state(port: int) -> tuple[int, int]:
    """Of the IPv4 socket bound to this port: bytes that wait to be read, datagrams dropped."""
    for line in Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port:
            return int(fields[4].rpartition(":")[2], 16), int(fields[-1])
    raise CaseFailed(f"no socket at port {port}")


def wait_until_still(state: Callable[[], object], first: object) -> None:
    """Returns when the state is another than `first` and has been the same for a while."""
    begin = since = time.monotonic()
    last = first
    while True:
        time.sleep(0.02)
        now, current = time.monotonic(), state()
        if current != last:
            last, since = current, now
        if last != first and now - since >= STILL_S:
            return
        if now - begin > LIMIT_S:
            raise CaseFailed(f"nothing arrived, or no end of it, within {LIMIT_S} s")


def wait_until_idle(server: Server) -> None:
    """Returns when no message is in the server or its socket."""
    end = time.monotonic() + LIMIT_S
    while kernel_state(server.port)[0] or server.stats()["ledger"]["in_flight"]:
        if time.monotonic() > end:
            raise CaseFailed(f"messages are still in the server after {LIMIT_S} s")
        time.sleep(0.01)


def burst_into(lab: Lab, case: Case, server: Server,
               standing_still: contextlib.AbstractContextManager) -> dict:
    """Sends the load while the server stands still, lets it go on when nothing more arrives, and
    returns the report of udpblast."""
    with contextlib.ExitStack() as stack:
        with standing_still:
            def state() -> object:
                return kernel_state(server.port), server.received()

            before = state()
            client = stack.enter_context(Blast(lab.programs, case.load, server, case.client_cpus))
            wait_until_still(state, before)
        report = client.report()
    demand_explained(report)
    return report
