#!/usr/bin/python3 -B
"""Tests of scripts/bench in quick mode, with real programs: for shape, not for figures.

usage: bench_test.py BUILD-FOLDER
"""

import json
import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

from study_run import Build, read_csv, run_study

TRAFFIC = ["plain", "segments", "counters", "peers", "ping", "lookup", "plain unpinned",
           "segments unpinned", "article", "article plain", "work"]
FIGURES = ("messages_per_s", "cpu_us", "machine_us", "calls", "futex_calls", "switches",
           "busy_percent", "p50_us", "p99_us")


class QuickMode(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.output = Path(folder.name) / "bench"
        cls.code, cls.text = run_study("bench", Path(folder.name))
        cls.json = json.loads((cls.output / "bench.json").read_text(encoding="utf-8"))
        cls.done = [run for run in cls.json["runs"] if run["status"] == "done"]

    def test_it_succeeds_and_says_that_figures_mean_nothing(self):
        self.assertEqual(self.code, 0, self.text)
        self.assertIn("mean nothing", self.text)

    def test_all_traffic_is_measured_and_only_what_is_missing_is_skipped(self):
        self.assertEqual({run["case"].split(":")[0] for run in self.json["runs"]}, set(TRAFFIC))
        for run in self.json["runs"]:
            if run["status"] != "done":
                self.assertEqual(run["status"], "skipped", run)
                self.assertIn(run["case"].split(":")[0], ("counters", "lookup"))

    def test_each_run_has_every_figure(self):
        for run in self.done:
            for figure in FIGURES:
                self.assertGreaterEqual(run[figure], 0, run)
            for figure in ("messages_per_s", "cpu_us", "calls", "p50_us", "replies"):
                self.assertGreater(run[figure], 0, run)

    def test_floors_stand_for_themselves_and_others_are_compared_with_them(self):
        floors = [run for run in self.done if "floor" in run["case"]]
        self.assertEqual(len(floors), 8)
        for run in self.done:
            compared = run["case"].split(":")[0] in ("plain", "segments", "peers", "ping",
                                                     "plain unpinned", "segments unpinned")
            self.assertEqual("ratio" in run, compared, run["case"])
        self.assertEqual([run["ratio"] for run in floors if "UDP_GRO" not in run["case"]],
                         [1.0] * 6)

    def test_each_target_has_a_ratio_for_each_round(self):
        for target in self.json["targets"]:
            if target["name"] not in ("counters", "6 lookup"):
                self.assertEqual(len(target["values"]), 1, target)
                self.assertGreaterEqual(target["values"][0], 0, target)

    def test_table_page_and_chart_say_the_same(self):
        lines = read_csv(self.output / "bench.csv")
        self.assertEqual({f"{line['traffic']}: {line['server']}" for line in lines},
                         {run["case"] for run in self.json["runs"]})
        page = (self.output / "bench.md").read_text(encoding="utf-8")
        self.assertIn("| 1 plain |", page)
        for chart in self.output.glob("*.svg"):
            ElementTree.parse(chart)
        self.assertEqual(len(list(self.output.glob("*.svg"))), 1)


class Usage(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.output = Path(folder.name)

    def test_some_traffic_only(self):
        for names in ([name] for name in TRAFFIC), [["ping", "plain"]]:
            for wanted in names:
                code, text = run_study("bench", self.output, "--only", ",".join(wanted), "--list")
                self.assertEqual(code, 0, text)
                self.assertEqual({line.split(":")[0] for line in text.splitlines()}, set(wanted))

    def test_unknown_traffic_is_named_with_what_there_is(self):
        code, text = run_study("bench", self.output, "--only", "pong")
        self.assertEqual(code, 64, text)
        self.assertIn("no traffic 'pong'; there are: plain,", text)


if __name__ == "__main__":
    Build.folder = Path(sys.argv.pop(1))
    unittest.main()
