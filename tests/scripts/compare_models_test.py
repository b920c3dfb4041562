#!/usr/bin/python3 -B
"""Tests of scripts/compare-models in quick mode, with real programs: for shape, not for figures.

usage: compare_models_test.py BUILD-FOLDER
"""

import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

from script_test import PROJECT
from study_run import Build, StandIns, folder_of, read_csv, read_records, run_study

from studies import compare, compare_claims
from studies.compare_figures import FIGURES

QUICK = [row for row in compare.all_rows() if row.quick]
CASES = {row.name for row in QUICK} | {capacity.name for capacity in compare.capacities_of(QUICK)}


class QuickMode(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.output = folder_of(cls)
        cls.code, cls.text = run_study("compare-models", cls.output)
        cls.records = read_records(cls.output, compare.EXPERIMENT)
        cls.done = [record for record in cls.records if record.status == "done"]

    def test_it_succeeds_and_says_that_figures_mean_nothing(self):
        self.assertEqual(self.code, 0, self.text)
        self.assertIn("mean nothing", self.text)

    def test_every_case_is_there_and_only_what_needs_more_cpus_is_skipped(self):
        self.assertEqual({record.name for record in self.records}, CASES)
        for record in self.records:
            if record.status != "done":
                self.assertRegex(record.reason, "only 1 CPU allowed here|"
                                 "not measured: capacity: .*, 2 CPUs", record.name)

    def test_every_run_ended_in_good_order(self):
        self.assertTrue(self.done)
        for record in self.done:
            found = record.results
            self.assertEqual(found["server"]["exit_code"], 0)
            self.assertIn("the ledger balances", found["verify"])
            self.assertEqual((found["ledger"]["residual"], found["ledger"]["in_flight"]), (0, 0),
                             record.name)

    def test_what_was_received_is_shared_out_among_the_lanes(self):
        for record in self.done:
            lanes, name = record.results["lanes"], record.name
            self.assertGreater(lanes["received"], 0, name)
            self.assertGreaterEqual(lanes["imbalance"], 1, name)
            self.assertLessEqual(lanes["imbalance"], lanes["lanes"], name)
            if "CPSS_LANES" in record.parameters["settings"] and \
                    record.labels["model"] not in (compare.FORK, compare.SYMPED_HANDOFF):
                self.assertEqual(lanes["lanes"],
                                 int(record.parameters["settings"]["CPSS_LANES"]), name)

    def test_processes_are_counted_with_their_descendants(self):
        for record in self.done:
            settings = record.parameters["settings"]
            if settings["CPSS_MODEL"] != "mp":
                self.assertEqual(record.results["usage"]["processes"], 1, record.name)
            elif settings["CPSS_MP"] == "prefork":
                self.assertGreaterEqual(record.results["usage"]["processes"],
                                        1 + int(settings["CPSS_LANES"]), record.name)

    def test_each_run_has_every_figure(self):
        for record in self.done:
            figures = {name: figure(record.results) for name, figure in FIGURES.items()}
            for name in ("answered_per_s", "cpu_us", "p50_us", "p99_us", "p999_us", "memory_mib"):
                self.assertGreater(figures[name], 0, (record.name, name))
            for name in ("switches", "lost_races_per_1000", "lost"):
                self.assertGreaterEqual(figures[name], 0, (record.name, name))

    def test_the_classes_of_uneven_work_are_told_apart(self):
        for record in self.done:
            self.assertEqual(FIGURES["short_p99_us"](record.results) is not None,
                             record.labels["service"] == compare.BIMODAL, record.name)

    def test_each_claim_has_a_verdict(self):
        for claim in compare_claims.CLAIMS + compare_claims.TARGETS:
            verdict = claim.verdict(self.records)
            self.assertIn(verdict.outcome, ("confirmed", "not confirmed", "not measured"))
            self.assertTrue(verdict.figure)

    def test_table_and_records_say_the_same(self):
        lines = read_csv(self.output / "models/models.csv")
        self.assertEqual(len(lines), len(self.records))
        for chart in (self.output / "models").glob("*.svg"):
            ElementTree.parse(chart)

    def test_what_was_measured_is_kept(self):
        code, text = run_study("compare-models", self.output, "--resume", "--models", "sped")
        self.assertEqual(code, 0, text)
        self.assertIn("kept from an earlier run: ", text)
        self.assertNotIn("[1/", text)

    def test_the_page_is_made_of_the_records(self):
        with tempfile.TemporaryDirectory() as docs:
            page = Path(docs) / "models.md"
            page.write_bytes((PROJECT / "docs/models.md").read_bytes())
            code, text = run_study("compare-models", self.output, "--page", "--docs", docs)
            self.assertEqual(code, 0, text)
            self.assertIn("QUICK MODE", page.read_text(encoding="utf-8"))
            self.assertTrue((Path(docs) / "models/models.csv").is_file())


class Own(StandIns):
    def test_a_service_and_load_of_ones_own(self):
        code, text = run_study("compare-models", self.root, "--service", "work", "--env",
                               "CPSS_WORK=fixed:20", "--load", "-c 4 -Q 2000 --work fixed:20",
                               "--models", "seda,mp-prefork")
        self.assertEqual(code, 0, text)
        lines = [line for line in read_csv(self.root / "models-own/models-own.csv")
                 if line["result"] == "done"]
        self.assertEqual({line["server"] for line in lines}, {"seda", "mp-prefork"})
        for line in lines:
            self.assertEqual((line["rate"], line["peers"], line["service"]), ("2000", "4", "work"))

    def test_a_broken_ledger_is_a_failed_case_and_exit_code_1(self):
        build = self.broken_ledger()
        code, text = run_study("compare-models", self.root / "out", "--models", "sped",
                               "--service", "echo", build=build)
        self.assertEqual(code, 1, text)
        for line in read_csv(self.root / "out/models-own/models-own.csv"):
            self.assertTrue(line["result"].startswith(("FAILED: the ledger does not balance",
                                                       "skipped: only 1 CPU")), line)


if __name__ == "__main__":
    Build.folder = Path(sys.argv.pop(1)).resolve()
    unittest.main()
