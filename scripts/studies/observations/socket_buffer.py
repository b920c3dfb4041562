"""How large a burst the socket buffer takes."""

import itertools

from studies.blast import Load
from studies.charts import Lines, grouped
from studies.columns import (ANSWERED, CASE, KERNEL_DROPS, LATENCIES, LOST, LOST_WHERE, OUTCOME,
                             SENT, held, kernel_drops, label, of, sent)
from studies.observations.experiment import Bench, Experiment
from studies.observations.standstill import burst_into
from studies.tables import Column, number
from studies.verdict import Measured, Verdict, confirmed_if

BUFFERS = ("64KiB", "256KiB", "1MiB", "4MiB", "16MiB")
QUICK_BUFFERS = ("64KiB", "1MiB")
BURSTS = (100, 1000, 5000, 20000)
QUICK_BURSTS = (100, 1000)
RATE = 20_000  # of the bursts in the mean, at most: well below the capacity
LEAST_GAP_MS = 100  # so that the server has done with a burst before the next
MORE_THAN_ANY = 60_000  # messages


def held_name(buffer: str) -> str:
    return f"{buffer}, server stands still"


def name_of(buffer: str, burst: int) -> str:
    return f"{buffer}, bursts of {burst:,}"


def _dropped_percent(results: dict) -> float:
    return 100 * kernel_drops(results) / sent(results)


class SocketBuffer(Experiment):
    name = "socket-buffer"
    title = "Socket buffer"
    observation = "Of a burst, the kernel drops at most what the socket buffer does not hold."
    criterion = ("bursts of at most as many messages as the buffer holds lose none at the server's "
                 "kernel; of larger ones it drops at most what is beyond that")
    about = f"""\
CPSS_SOCKET_BUFFER, and bursts at once with pauses of {LEAST_GAP_MS} ms at least between them, at
most {RATE:,} messages a second in the mean; r1r1s1, service echo. What a buffer
holds is measured: a burst of {MORE_THAN_ANY:,} messages into a server that was stopped (SIGSTOP),
less what its kernel dropped.
"""
    columns = (CASE, SENT, Column("buffer holds", of(lambda results: results["held"])),
               Column("burst", label("burst")), KERNEL_DROPS,
               Column("% dropped", of(_dropped_percent), 2, spread=True),
               ANSWERED, LOST, LOST_WHERE, *LATENCIES, *OUTCOME)

    def first_cases(self, bench: Bench):
        load = Load(count=MORE_THAN_ANY, timeout_s=bench.timeout_s,
                    more=("--burst", f"{MORE_THAN_ANY}/1000"))
        return [bench.case(held_name(buffer), load, {"CPSS_SOCKET_BUFFER": buffer},
                           standing_still=True) for buffer in self._buffers(bench)]

    def found(self, results: dict) -> float:
        return results["held"]

    def cases(self, bench: Bench, known):
        def load(burst: int) -> Load:
            gap_ms = max(LEAST_GAP_MS, 1000 * burst // RATE)
            return Load(seconds=bench.seconds, timeout_s=bench.timeout_s,
                        more=("--burst", f"{burst}/{gap_ms}"))

        return [bench.case(name_of(buffer, burst), load(burst), {"CPSS_SOCKET_BUFFER": buffer},
                           buffer=buffer, burst=burst)
                for buffer, burst in itertools.product(
                    self._buffers(bench), QUICK_BURSTS if bench.quick else BURSTS)]

    @staticmethod
    def _buffers(bench: Bench):
        return QUICK_BUFFERS if bench.quick else BUFFERS

    def run(self, lab, case):
        if "standing_still" not in case.labels:
            return super().run(lab, case)
        results: dict = {}
        with lab.watched_server(case, results) as server:
            results["udpblast"] = burst_into(lab, case, server, server.paused())
        return {**results, "held": held(results)}

    def judge(self, measured: Measured) -> Verdict:
        for burst in QUICK_BURSTS:
            measured.of(name_of(BUFFERS[0], burst))  # without that there is no verdict
        small_lost = large_lost = 0
        max_beyond = 0.0
        for buffer in BUFFERS:
            if held_name(buffer) not in measured:
                continue
            holds = measured.median(held_name(buffer), self.found)
            for burst in BURSTS:
                for results in measured.of_any(name_of(buffer, burst)):
                    drops = kernel_drops(results)
                    if burst <= holds:
                        small_lost += drops
                    else:
                        beyond = (burst - holds) / burst * sent(results)
                        large_lost += drops
                        max_beyond = max(max_beyond, drops / beyond)
        return confirmed_if(
            small_lost == 0 and max_beyond <= 1,
            f"bursts that the buffer holds lost {small_lost:,} messages at the server's kernel; "
            f"larger ones lost {large_lost:,}, at most {max_beyond:.2f} times what was beyond it")

    def charts(self, lines):
        series: dict[str, list[tuple[float, float]]] = {}
        for line in lines:
            burst, dropped = number(line, "burst"), number(line, "% dropped")
            if burst is not None and dropped is not None:
                buffer = line["case"].partition(",")[0]
                series.setdefault(buffer, []).append((burst, dropped))
        if not series:
            return []
        most = max(burst for points in series.values() for burst, _ in points)
        at_most = {buffer: dict(points).get(most) for buffer, points in series.items()}
        enough = next((buffer for buffer, dropped in at_most.items() if dropped == 0), None)
        first = next(iter(series))
        finding = f"{enough or 'No buffer'} takes bursts of {grouped(most)} without loss"
        return [Lines(f"Socket buffers: {finding}, {first} drops {at_most[first]:.0f} % of them",
                      "Share that the server's kernel dropped of bursts at once, by socket buffer.",
                      "messages in a burst", "% dropped by the kernel", series, log_x=True)]
