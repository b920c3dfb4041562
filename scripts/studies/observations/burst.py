"""Bursts into a server whose service stands still."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from studies.blast import Load
from studies.columns import (ANSWERED, CASE, KERNEL_DROPS, LATENCIES, LOST, LOST_WHERE, OUTCOME,
                             SENT, held, kernel_drops, label, lost, of, places)
from studies.observations.experiment import SLOTS, Bench, Experiment
from studies.observations.standstill import burst_into
from studies.tables import Column
from studies.verdict import Measured, Verdict, confirmed_if

BEYOND = 1000
MORE_THAN_ANY = 40_000  # messages
# Nothing is to time out while the service stands still.
TIMEOUT_S, QUICK_TIMEOUT_S = 5, 3
HOLDS = "what slots and socket buffer hold"
OF_SLOTS, OF_MORE = "as many as slots", "1,000 more than slots and socket buffer hold"


@contextlib.contextmanager
def _closed(gate: Path) -> Iterator[None]:
    """The service of the tests' server stands still while the file exists."""
    gate.touch()
    try:
        yield
    finally:
        gate.unlink(missing_ok=True)


class Burst(Experiment):
    name = "burst"
    title = "Bursts into a service that stands still"
    observation = ("A burst that the slots hold is answered completely, and what is lost of a "
                   "larger one is exactly what the counters say.")
    criterion = ("of a burst of as many messages as slots none is lost; of larger ones exactly as "
                 "many as the server's kernel dropped, and nowhere else")
    about = f"""\
{SLOTS:,} slots, r1r1s1, overload policy block. The server is the tests' own, with a service that
stands still until the whole burst was sent. What slots and socket buffer hold together is measured
first, by a burst of {MORE_THAN_ANY:,} messages. It is not always the same, because the kernel gives
back the memory of datagrams that were read in large portions.
"""
    columns = (CASE, Column("burst", label("burst")), SENT, ANSWERED, LOST, KERNEL_DROPS,
               Column("held", of(held)), LOST_WHERE, *LATENCIES, *OUTCOME)

    def first_cases(self, bench: Bench):
        return [self._case(bench, HOLDS, MORE_THAN_ANY)]

    def found(self, results: dict) -> float:
        return held(results)

    def cases(self, bench: Bench, known):
        return [self._case(bench, OF_SLOTS, SLOTS),
                self._case(bench, OF_MORE, round(known[HOLDS]) + BEYOND)]

    @staticmethod
    def _case(bench: Bench, name: str, burst: int):
        load = Load(count=burst, timeout_s=QUICK_TIMEOUT_S if bench.quick else TIMEOUT_S,
                    more=("--burst", f"{burst}/1000"))
        return bench.case(name, load, {**bench.as_in_article, "CPSS_SERVICE": "gated"}, burst=burst,
                          skip=bench.why_no_test_server)

    def run(self, lab, case):
        gate = lab.scratch / "gate"
        results: dict = {}
        with lab.watched_server(case, results, program=lab.programs.test_server,
                                environment={"TEST_GATE": str(gate)}) as server:
            results["udpblast"] = burst_into(lab, case, server, _closed(gate))
        return results

    def judge(self, measured: Measured) -> Verdict:
        small_lost = max(map(lost, measured.of(OF_SLOTS)))
        larger = measured.of(OF_MORE) + measured.of(HOLDS)
        inexact = sum(lost(results) != kernel_drops(results)
                      or places(results["udpblast"]).keys() - {"server_kernel"} != set()
                      for results in larger)
        of_more = sum(map(lost, measured.of(OF_MORE))) / len(measured.of(OF_MORE))
        return confirmed_if(
            small_lost == 0 and inexact == 0,
            f"{small_lost:,} lost of {SLOTS:,}; of {len(larger)} larger bursts {inexact} lost "
            f"another number than the kernel dropped, or elsewhere; {of_more:,.0f} lost in the "
            f"mean of those with {BEYOND:,} beyond")
