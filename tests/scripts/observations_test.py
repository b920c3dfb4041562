#!/usr/bin/python3 -B
"""Tests of scripts/observations in quick mode, with real programs: for shape, not for figures.

usage: observations_test.py BUILD-FOLDER
"""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

from script_test import PROJECT
from study_run import Build, StandIns, folder_of, read_csv, run_study

NAMES = ("worker-queue", "on-demand", "endurance", "futex", "real-time", "socket-buffer", "burst",
         "overload", "isolation", "readers")
VERDICTS = ("confirmed", "not confirmed", "no longer applies")


class QuickMode(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.output = folder_of(cls)
        cls.code, cls.text = run_study("observations", cls.output)
        cls.records = [json.loads(path.read_bytes())
                       for path in cls.output.glob("records/*/observation-*/*.json")]
        cls.done = [record for record in cls.records if record["status"] == "done"]

    def table(self, name):
        return read_csv(self.output / "observations" / f"{name}.csv")

    def test_it_succeeds_and_says_that_figures_mean_nothing(self):
        self.assertEqual(self.code, 0, self.text)
        self.assertIn("mean nothing", self.text)

    def test_each_observation_has_a_verdict(self):
        lines = self.table("observations")
        self.assertEqual([line["experiment"] for line in lines], list(NAMES))
        for line in lines:
            if line["verdict"] == "not measured":  # no right to it, or a busy machine
                self.assertRegex(line["figure"], "no real-time class|the client did not send|"
                                 "was late itself|could send only|could not send")
            else:
                self.assertIn(line["verdict"], VERDICTS, line)
            self.assertTrue(all(line.values()), line)

    def test_every_run_ended_in_good_order_and_explains_what_was_lost(self):
        self.assertGreater(len(self.done), 40)
        for record in self.done:
            results = record["results"]
            self.assertEqual(results["server"]["exit_code"], 0)
            self.assertIn("the ledger balances", results["verify"])
            ledger = results["getstat"]["ledger"]
            self.assertEqual((ledger["residual"], ledger["in_flight"]), (0, 0), record["name"])
            for report in (results["udpblast"], results.get("step", results["udpblast"])):
                self.assertEqual(report["loss"]["unexplained"], 0, record["name"])
                self.assertEqual(report["loss"]["total"], report["sent"] - report["right"])

    def test_only_skips_with_a_reason_have_no_figures(self):
        for record in self.records:
            self.assertIn(record["status"], ("done", "skipped"), record["reason"])
            self.assertEqual(record["status"] == "skipped", bool(record["reason"]))

    def test_each_experiment_has_a_table_of_its_cases(self):
        for name in NAMES:
            lines = self.table(f"observation-{name}")
            self.assertEqual({line["case"] for line in lines},
                             {record["name"] for record in self.records
                              if record["experiment"] == f"observation-{name}"})
            for line in lines:
                self.assertIn(line["client"], ("apart", "shares CPUs"))
                self.assertTrue(line["result"] == "done" or line["result"].startswith("skipped: "),
                                line)

    def test_what_the_cases_are_to_do_happened(self):
        found = {(record["experiment"].removeprefix("observation-"), record["name"]):
                 record["results"] for record in self.done}
        held = found["burst", "what slots and socket buffer hold"]
        self.assertGreater(held["getstat"]["ledger"]["kernel_dropped"], 0)
        self.assertGreater(found["socket-buffer", "64KiB, server stands still"]["held"], 0)
        started = [stage["threads_started"] for stage in
                   found["on-demand", "at most 8 on demand"]["getstat"]["stages"]
                   if stage["name"] == "on_demand"]
        self.assertGreater(started[0], 0)
        for load, classes in (("short and long", 2), ("short only", 1)):
            report = found["isolation", f"4 workers, {load}"]["udpblast"]
            self.assertEqual(sum(each["messages"] > 0 for each in report["classes"]), classes)

    def test_charts_are_well_formed(self):
        charts = list(self.output.glob("observations/*.svg"))
        self.assertEqual(len(charts), 2)
        for chart in charts:
            self.assertTrue(ElementTree.parse(chart).getroot().tag.endswith("svg"))

    def test_the_page_has_all_verdicts_at_its_head_and_a_section_for_each(self):
        with tempfile.TemporaryDirectory() as docs:
            subprocess.run([PROJECT / "scripts/studies-page", "--output", self.output, "--docs",
                            docs], check=True, stdout=subprocess.DEVNULL, timeout=60)
            page = Path(docs) / "studies.md"
            text = page.read_text(encoding="utf-8")
            for link in re.findall(r"\]\(([^)]+)\)", text):
                self.assertTrue((page.parent / link).is_file(), link)
        head, *sections = text.split("\n## ")[1:]
        self.assertTrue(head.startswith("Observations\n"))
        self.assertEqual(len(sections), len(NAMES))
        for line, section in zip(self.table("observations"), sections):
            self.assertIn(f"| {line['observation']} | {line['verdict']} |", head)
            self.assertIn(f"**{line['observation']}** {line['verdict'].capitalize()}", section)

    def test_what_was_measured_is_kept(self):
        code, text = run_study("observations", self.output, "--only", "futex,real-time")
        self.assertEqual(code, 0, text)
        self.assertIn("kept from an earlier run: 4 of 4", text)
        code, text = run_study("observations", self.output, "--list")
        self.assertEqual(code, 0, text)
        self.assertNotIn("0 of ", text)


class Faults(StandIns):
    def test_an_unexplained_loss_is_exit_code_1(self):
        build = self.stand_in("tools/udpblast/udpblast", """\
if [[ $* == *--help* ]]; then exec "$real" "$@"; fi
"$real" "$@" | sed 's/"unexplained":0/"unexplained":3/' """)
        code, output = run_study("observations", self.root / "out", "--only", "isolation",
                                 build=build)
        self.assertEqual(code, 1, output)
        [line] = read_csv(self.root / "out/observations/observations.csv")
        self.assertEqual(line["verdict"], "not measured")
        [line] = read_csv(self.root / "out/observations/observation-isolation.csv")
        self.assertTrue(line["result"].startswith("FAILED: 3 of "), line)

    def test_a_broken_ledger_is_exit_code_1(self):
        build = self.broken_ledger()
        code, output = run_study("observations", self.root / "out", "--only", "futex", "--repeat",
                                 "1", build=build)
        self.assertEqual(code, 1, output)
        for line in read_csv(self.root / "out/observations/observation-futex.csv"):
            self.assertTrue(line["result"].startswith("FAILED: the ledger does not balance"), line)

    def test_wrong_usage_is_exit_code_64(self):
        for options in (("--only", "nothing"), ("--repeat", "0"), ("--endurance", "x")):
            code, output = run_study("observations", self.root / "out", *options)
            self.assertEqual(code, 64, output)


if __name__ == "__main__":
    Build.folder = Path(sys.argv[1]).resolve()
    unittest.main(argv=sys.argv[:1])
