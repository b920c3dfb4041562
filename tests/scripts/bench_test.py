#!/usr/bin/python3 -B
"""Tests of scripts/bench in quick mode, with real programs: for shape, not for figures.

usage: bench_test.py BUILD-FOLDER
"""

import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

from study_run import Build, folder_of, read_csv, read_records, run_study

from studies import bench, bench_report

TRAFFIC = ["plain", "segments", "counters", "peers", "ping", "lookup", "plain unpinned",
           "segments unpinned", "peers unpinned", "ping unpinned", "lookup unpinned", "article",
           "article plain", "work", "instructions"]
FIGURES = ("messages_per_s", "cpu_us", "machine_us", "calls", "futex_calls", "switches",
           "busy_percent", "p50_us", "p99_us")


class QuickMode(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = folder_of(cls)
        cls.output = folder / "bench"
        cls.code, cls.text = run_study("bench", folder)
        cls.records = read_records(folder, bench.EXPERIMENT)
        cls.done = [record for record in cls.records if record.status == "done"]
        cls.lines = read_csv(cls.output / "bench.csv")

    def test_it_succeeds_and_says_that_figures_mean_nothing(self):
        self.assertEqual(self.code, 0, self.text)
        self.assertIn("mean nothing", self.text)

    def test_all_traffic_is_measured_and_only_what_is_missing_is_skipped(self):
        self.assertEqual({record.labels["traffic"] for record in self.records}, set(TRAFFIC))
        for record in self.records:
            if record.status != "done":
                self.assertEqual(record.status, "skipped", record.reason)
                self.assertIn(record.labels["traffic"], ("counters", "lookup", "lookup unpinned",
                                                         "instructions"))

    def test_each_run_has_every_figure(self):
        for record in self.done:
            if record.labels["traffic"] == bench.INSTRUCTIONS:
                self.assertGreater(record.results["instructions"], 100)
                continue
            for figure in FIGURES:
                self.assertGreaterEqual(record.results[figure], 0, record)
            for figure in ("messages_per_s", "cpu_us", "calls", "p50_us", "replies"):
                self.assertGreater(record.results[figure], 0, record)

    def test_floors_stand_for_themselves_and_others_are_compared_with_a_base(self):
        floors = [line for line in self.lines if "floor" in line["server"]]
        self.assertEqual(len(floors), 10)
        for line in self.lines:
            compared = line["traffic"] not in ("counters", "article", "article plain", "work",
                                               "instructions")
            self.assertEqual(line["of the base"] != "", compared and line["result"] == "done", line)
        self.assertEqual([line["of the base"] for line in floors
                          if "UDP_GRO" not in line["server"]], ["1.000"] * 8)

    def test_each_target_has_a_ratio_for_each_round(self):
        for target in bench_report.TARGETS:
            if target.name not in ("counters", "6 lookup", "instructions"):
                values = bench_report.values_of(self.records, target)
                self.assertEqual(len(values), 1, target)
                self.assertGreaterEqual(values[0], 0, target)

    def test_table_page_and_chart_say_the_same(self):
        self.assertEqual({f"{line['traffic']}: {line['server']}" for line in self.lines},
                         {record.name for record in self.records})
        page = (self.output / "bench.md").read_text(encoding="utf-8")
        self.assertIn("| 1 plain |", page)
        for chart in self.output.glob("*.svg"):
            ElementTree.parse(chart)
        self.assertEqual(len(list(self.output.glob("*.svg"))), 1)

    def test_the_page_is_made_of_the_records(self):
        with tempfile.TemporaryDirectory() as docs:
            code, text = run_study("bench", self.output.parent, "--page", "--docs", docs)
            self.assertEqual(code, 0, text)
            for name in ("bench.md", "bench.csv", "bench-1.svg"):
                self.assertEqual((Path(docs) / "bench" / name).read_bytes(),
                                 (self.output / name).read_bytes(), name)


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
