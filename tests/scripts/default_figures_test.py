#!/usr/bin/python3 -B
"""Tests of the default's comparison with the best that need no server: cases, winners, verdicts."""

import sys
import unittest
from pathlib import Path
from unittest import mock

from made_up import IDENTITY
from script_test import PROJECT

sys.path.insert(0, str(PROJECT / "scripts"))

from studies import default, default_report, machine, records
from studies.default import CANDIDATES, CHOICE, DEFAULT, FINAL, LATENCY
from studies.default_report import CPU, P99, RATE

TWO_CPUS = mock.patch.object(machine, "allowed_cpus", lambda: (0, 1))
KNOWN = frozenset(("CPSS_MODEL", "CPSS_SERVICE", "CPSS_SERVICE_THREADS", "CPSS_WORK",
                   "CPSS_NUMBERS", "CPSS_SOCKET_BUFFER", "CPSS_SOCKETS", "CPSS_STEERING",
                   "CPSS_LANES", "CPSS_MP"))
with TWO_CPUS:
    MAKE = default.CaseMaker(KNOWN, 1.5, False, Path("/numbers"))
WORKLOAD = default.workloads()[-1]


def record_of(server, rate=1000.0, cpu_s=1.0, p99_us=100.0, rounds=FINAL, repeat=1, best=None):
    case = MAKE.at_rate(WORKLOAD, server, 500) if rounds == LATENCY \
        else MAKE.saturated(WORKLOAD, server, rounds)
    if best:
        case.labels["best"] = best
    return records.new_record(case, repeat, IDENTITY, records.DONE, results={
        "udpblast": {"messages_per_s": rate, "right": 1000, "sent": 1000,
                     "latency_ns": {"p99": 1000 * p99_us}}, "usage": {"cpu_s": cpu_s}})


BEST = {RATE.name: "sped", CPU.name: "amped", P99.name: "sped"}


def finals(rates, cpus=None):
    """Rounds in which the default and the two best have these ratios to one another."""
    some = []
    for repeat, rate in enumerate(rates, start=1):
        cpu_s = cpus[repeat - 1] if cpus else 1.0
        some += [record_of(DEFAULT, 1000.0 * rate, cpu_s, repeat=repeat, best=BEST),
                 record_of("sped", repeat=repeat, best=BEST),
                 record_of("amped", repeat=repeat, best=BEST)]
    return {row.figure.name: row for row in default_report.rows_of(some)}


class Cases(unittest.TestCase):
    def test_the_default_has_no_setting_but_its_service(self):
        case = MAKE.saturated(WORKLOAD, DEFAULT, FINAL)
        self.assertEqual({name for name in case.settings if name != "CPSS_SOCKET_BUFFER"},
                         {"CPSS_SERVICE", "CPSS_WORK"})

    def test_every_server_of_a_workload_gets_the_same_load(self):
        for workload in default.workloads():
            loads = {MAKE.saturated(workload, server, CHOICE).load
                     for server in (DEFAULT, *CANDIDATES)}
            self.assertEqual(len(loads), 1, workload)

    def test_names_are_unique(self):
        names = [MAKE.saturated(workload, server, rounds).name for workload in default.workloads()
                 for server in (DEFAULT, *CANDIDATES) for rounds in (CHOICE, FINAL)]
        self.assertEqual(len(names), len(set(names)))


class Winner(unittest.TestCase):
    def test_each_figure_has_its_own_among_the_candidates(self):
        some = [record_of("sped", 2000, 1.0), record_of("amped", 1000, 0.5),
                record_of(DEFAULT, 9000, 0.1)]
        self.assertEqual(default_report.winner(some, RATE), "sped")
        self.assertEqual(default_report.winner(some, CPU), "amped")

    def test_medians_count_and_nothing_measured_has_no_winner(self):
        some = [record_of("sped", rate) for rate in (1, 900, 900)]
        some += [record_of("amped", rate) for rate in (800, 800, 5000)]
        self.assertEqual(default_report.winner(some, RATE), "sped")
        self.assertIsNone(default_report.winner([], RATE))


class Verdict(unittest.TestCase):
    def test_it_is_enough_if_the_interval_reaches_the_limit(self):
        for rates, verdict in (([0.97] * 10, "reached"), ([0.90] * 10, "NOT reached"),
                               ([0.90] * 6 + [0.96] * 4, "reached"),
                               ([0.97] * 9, "too few rounds")):
            self.assertEqual(default_report.verdict(finals(rates)[RATE.name]), verdict, rates)

    def test_less_is_better_of_cpu_time(self):
        for cpus, verdict in (([1.04] * 10, "reached"), ([1.2] * 10, "NOT reached")):
            self.assertEqual(default_report.verdict(finals([1.0] * 10, cpus)[CPU.name]), verdict)

    def test_latency_is_judged_by_rounds_of_its_own(self):
        some = [record_of(server, p99_us=p99, rounds=LATENCY, repeat=repeat, best=BEST)
                for repeat in range(1, 11) for server, p99 in ((DEFAULT, 110.0), ("sped", 100.0))]
        [row] = default_report.rows_of(some)
        self.assertEqual((row.figure, row.best), (P99, "sped"))
        self.assertEqual(default_report.verdict(row), "reached")

    def test_the_table_says_it(self):
        line = default_report.report([*(record for record in self._records())]).table.lines()[0]
        self.assertEqual((line["best"], line["ratio"], line["verdict"]),
                         ("sped", "0.970", "reached"))

    @staticmethod
    def _records():
        for repeat in range(1, 11):
            yield record_of(DEFAULT, 970.0, repeat=repeat, best=BEST)
            yield record_of("sped", repeat=repeat, best=BEST)
            yield record_of("amped", repeat=repeat, best=BEST)


if __name__ == "__main__":
    unittest.main()
