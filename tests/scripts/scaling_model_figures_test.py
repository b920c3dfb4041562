#!/usr/bin/python3 -B
"""Tests of the queueing model: what is known of it by hand, and how costs are taken from records."""

import sys
import unittest
from unittest import mock

from made_up import IDENTITY
from script_test import PROJECT

sys.path.insert(0, str(PROJECT / "scripts"))

from studies import machine, records, scaling_model, scaling_model_report
from studies.default import DEFAULT
from studies.queueing import Costs, Setup, simulate
from studies.scaling_model import ALONE, FULL, POINT, SHARED, SINGLE, SPED

CHEAP = Costs(0.01, 0, 0)


def setup(lanes=1, cpus=1, **other):
    given = {"own_sockets": False, "clients": 1, "outstanding": 1024, "batch": 64, "peers": 64,
             "server": Costs(1.0, 6.4, 5.0), "client": CHEAP, "lock": 0.0, "client_cpus": 1}
    return Setup(lanes=lanes, cpus=cpus, **{**given, **other})


class Queueing(unittest.TestCase):
    def test_a_server_that_always_has_work_does_full_passes(self):
        outcome = simulate(setup())
        self.assertAlmostEqual(outcome.cpu_us, 1.1, places=2)
        self.assertAlmostEqual(outcome.messages_per_s, 1e6 / 1.1, delta=1e4)

    def test_one_message_at_a_time_costs_a_pass_and_a_wake_up_on_both_sides(self):
        outcome = simulate(setup(outstanding=1, client=Costs(1.0, 2.0, 3.0)), messages=1000)
        self.assertAlmostEqual(outcome.cpu_us, 12.4, places=2)
        self.assertAlmostEqual(outcome.messages_per_s, 1e6 / (12.4 + 6.0), delta=100)

    def test_client_and_server_share_a_cpu(self):
        outcome = simulate(setup(client_cpus=0, client=Costs(1.0, 0, 0)))
        self.assertAlmostEqual(outcome.messages_per_s, 1e6 / 2.1, delta=2e4)

    def test_lanes_add_up_unless_they_hold_one_lock(self):
        one, two = (simulate(setup(lanes, lanes, clients=2, client_cpus=2)).messages_per_s
                    for lanes in (1, 2))
        self.assertAlmostEqual(two / one, 2, delta=0.05)
        locked = simulate(setup(8, 8, clients=2, client_cpus=2, lock=0.25)).messages_per_s
        # Who sends holds it as long as who receives.
        self.assertLess(locked, 1e6 / 0.5 * 1.02)
        own = simulate(setup(8, 8, clients=4, client_cpus=4, lock=0.25, own_sockets=True,
                             outstanding=16_384))
        self.assertGreater(own.messages_per_s, 1.5 * locked)


SERVER, CLIENT = Costs(1.0, 6.4, 5.0), Costs(0.5, 3.2, 2.5)
with mock.patch.object(machine, "allowed_cpus", lambda: (0, 1)):
    CASES = scaling_model.cases(frozenset(("CPSS_MODEL", "CPSS_SERVICE", "CPSS_WORK",
                                           "CPSS_SOCKET_BUFFER", "CPSS_LANES", "CPSS_BATCH",
                                           "CPSS_SPIN_US")), 1.5, False)


def cost_of(costs, what):
    return costs.of(64, False) / 64 if what in (FULL, POINT) else costs.of(1, what == ALONE)


def record_of(case, rate=500_000.0):
    what = case.labels["what"]
    client = cost_of(CLIENT, FULL if what == SINGLE else what)
    return records.new_record(case, 1, IDENTITY, records.DONE, results={
        "udpblast": {"messages_per_s": rate, "right": 1000, "sent": 1000,
                     "cpu_us_per_message": client},
        "usage": {"cpu_s": 1e-3 * cost_of(SERVER, what)}})


class FromRecords(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.records = [record_of(case) for case in CASES]
        cls.measured = scaling_model.Measured(cls.records)
        cls.report = scaling_model_report.report(cls.records)

    def test_costs_are_found_again(self):
        model = scaling_model.model_of(scaling_model.workloads()[0], self.measured)
        for found, made in ((model.server, SERVER), (model.client, CLIENT)):
            self.assertAlmostEqual(found.message, made.message, places=2)
            self.assertAlmostEqual(found.wake, made.wake, places=1)
            self.assertAlmostEqual(found.pass_, made.pass_, places=1)
        self.assertLess(model.lock, 0.01, "two lanes cost no more than one")

    def test_nothing_is_modelled_of_what_was_not_measured(self):
        some = [record for record in self.records
                if (record.labels["what"], record.labels["design"]) != (POINT, SHARED)]
        self.assertEqual(scaling_model.rows_of(some), [])

    def test_the_page_says_whether_the_model_meets_what_was_measured(self):
        rows = scaling_model.rows_of(self.records)
        self.assertEqual([row.cpus for row in rows[:7]], list(scaling_model.CPUS))
        self.assertEqual({row.measured for row in rows}, {500_000.0, None})
        self.assertIn("an illustration", scaling_model_report.judgement(rows))
        right = [record_of(case, rows[0].default.messages_per_s) if case.labels["cpus"] == 1 else
                 record_of(case, rows[1].default.messages_per_s) for case in CASES]
        rows = [row for row in scaling_model.rows_of(right) if row.workload == rows[0].workload]
        self.assertEqual(scaling_model_report.judgement(rows),
                         "It is within 10% of 2 of 2 measured points.")

    def test_table_and_chart(self):
        [chart] = scaling_model_report.charts(self.report.table.lines())
        self.assertEqual(set(chart.series), {scaling_model.name_of(workload)
                                             for workload in scaling_model.workloads()})


class Cases(unittest.TestCase):
    def test_the_default_has_no_setting_but_its_service(self):
        for case in CASES:
            if case.labels["design"] == DEFAULT:
                self.assertLessEqual(set(case.settings),
                                     {"CPSS_SOCKET_BUFFER", "CPSS_SERVICE", "CPSS_WORK"})

    def test_each_case_has_a_name_of_its_own(self):
        self.assertEqual(len({case.name for case in CASES}), len(CASES))
        self.assertIn(f"echo, one by one: {ALONE}: {SPED}, 1", {case.name for case in CASES})


if __name__ == "__main__":
    unittest.main()
