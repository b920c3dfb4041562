"""Many readers of the counters."""

import contextlib
import statistics
import subprocess

from studies import processes
from studies.columns import (ANSWERS_PER_S, CASE, LATENCIES, LOST, LOST_WHERE, OUTCOME,
                             cpu_us_per_reply, label, of)
from studies.errors import CaseFailed
from studies.observations.experiment import Bench, Experiment
from studies.observations.pairs import quartile_range, ratios, text_of
from studies.tables import Column
from studies.verdict import Measured, Verdict, confirmed_if

READERS, QUICK_READERS = 100, 10
OUTSTANDING = 1000
WITHOUT, WITH = "no reader", "many readers"


class Readers(Experiment):
    name = "readers"
    title = "Readers of the counters"
    observation = f"{READERS} programs that watch the counters cost the server nothing."
    criterion = ("the median of the server's CPU time a reply, with readers over without, is "
                 "within 1 plus or minus the spread: the quartile range of the runs without "
                 "readers, as a share of their median")
    about = f"""\
{READERS} times `getstat --watch`, once a second each, on the client's CPUs. r1r1s1, service echo,
closed loop of {OUTSTANDING:,} messages; pairs of runs one after the other.
"""
    columns = (CASE, Column("readers", label("readers")),
               Column("server CPU us a reply", of(cpu_us_per_reply), 3, spread=True),
               ANSWERS_PER_S, *LATENCIES, LOST, LOST_WHERE, *OUTCOME)
    repeats, min_repeats, quick_repeats = 10, 10, 2

    def cases(self, bench: Bench, known):
        load = bench.closed_loop(OUTSTANDING)
        readers = QUICK_READERS if bench.quick else READERS
        return [bench.case(WITHOUT, load, readers=0), bench.case(WITH, load, readers=readers)]

    def run(self, lab, case):
        results: dict = {}
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(lab.watched_server(case, results))
            readers = [self._reader(lab, case, server.region) for _ in
                       range(case.labels["readers"])]
            with contextlib.ExitStack() as ends:
                for reader in readers:
                    ends.callback(processes.end_now, reader)
                results["udpblast"] = lab.blast(case, server)
                if any(processes.reap(reader, 0) is not None for reader in readers):
                    raise CaseFailed("getstat --watch ended before it was told to")
        return results

    @staticmethod
    def _reader(lab, case, region) -> subprocess.Popen:
        return processes.start([lab.programs.getstat, "--file", region, "--watch"],
                               case.client_cpus, subprocess.DEVNULL, subprocess.DEVNULL)

    def judge(self, measured: Measured) -> Verdict:
        found = ratios(measured, WITH, WITHOUT, cpu_us_per_reply)
        without = list(map(cpu_us_per_reply, measured.of(WITHOUT)))
        spread = quartile_range(without) / statistics.median(without)
        return confirmed_if(
            abs(statistics.median(found) - 1) <= spread,
            f"server CPU a reply with readers over without {text_of(found)}; spread {spread:.3f}, "
            f"median {statistics.median(without):.2f} us")
