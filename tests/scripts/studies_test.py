#!/usr/bin/python3 -B
"""Tests of the studies' commands in quick mode, with real programs: for shape, not for speed.

usage: studies_test.py BUILD-FOLDER
"""

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from xml.etree import ElementTree

from script_test import PROJECT, ScriptTest
from study_run import (Build, StandIns, folder_of, read_csv, read_markdown_table, record_files,
                       run_study)

KEY = re.compile(r"[0-9,-]+\|[12]\|(sys|process)\|r\d+r\d+s\d+(w\d+(d\d+)?)?\|(rcv_rt|none)")
SCALING_COLUMNS = {"key", "slots", "rate", "sent", "rcv msgs", "snd msgs", "total", "%rcv", "%snd",
                   "%throughput", "scaling figure", "answered a second", "kernel drops",
                   "sent a second", "highest rate", "limit", "schedule", "client", "result"}
LATENCY_COLUMNS = {"key", "slots", "%throughput", "total", "stage", "messages", "calls", "call",
                   "sem waits", "sem wait", "slot wait", "queue wait", "service", "result"}


class QuickMode(unittest.TestCase):
    """Runs both studies into one output folder."""

    @classmethod
    def setUpClass(cls):
        cls.output = folder_of(cls)
        cls.scaling = run_study("scaling-study", cls.output)
        cls.measured = {path: path.read_bytes() for path in record_files(cls.output)
                        if json.loads(path.read_bytes())["status"] == "done"}
        cls.latency = run_study("latency-study", cls.output)
        cls.records = [json.loads(path.read_bytes()) for path in record_files(cls.output)]

    def table(self, name):
        return read_csv(self.output / name / f"{name}.csv")

    def test_both_succeed_and_say_that_figures_mean_nothing(self):
        for code, text in (self.scaling, self.latency):
            self.assertEqual(code, 0, text)
            self.assertIn("mean nothing", text)

    def test_the_second_study_measures_nothing(self):
        self.assertTrue(self.measured)
        for path, content in self.measured.items():
            self.assertEqual(path.read_bytes(), content)
        self.assertIn("kept from an earlier run", self.latency[1])

    def test_records_are_complete_and_balance(self):
        for record in self.records:
            if record["status"] != "done":
                continue
            results = record["results"]
            self.assertEqual(results["getstat"]["state"], "stopped")
            ledger = results["getstat"]["ledger"]
            self.assertEqual((ledger["residual"], ledger["in_flight"]), (0, 0))
            self.assertIn("the ledger balances", results["verify"])
            self.assertEqual(results["server"]["exit_code"], 0)
            self.assertEqual(results["udpblast"]["planned"],
                             record["parameters"]["load"]["count"])
            few_slots = record["parameters"]["labels"]["small_slots"]
            self.assertEqual("highest" in results, few_slots)
            if few_slots:
                self.assertIn(results["highest"]["limit"], ("server", "client"))
                self.assertTrue(results["highest"]["probes"])
            self.assertTrue(record["identity"]["commit"])
            self.assertTrue(record["identity"]["machine"]["kernel"])

    def test_only_skips_with_a_reason_have_no_figures(self):
        for record in self.records:
            self.assertIn(record["status"], ("done", "skipped"), record["reason"])
            self.assertEqual(record["status"] == "skipped", bool(record["reason"]))

    def test_columns_and_keys(self):
        for name, columns in (("scaling", SCALING_COLUMNS), ("latency", LATENCY_COLUMNS)):
            lines = self.table(name)
            self.assertEqual(set(lines[0]), columns)
            for line in lines:
                self.assertRegex(line["key"], KEY)
                self.assertNotEqual(line["result"], "")

    def test_the_tables_agree_with_the_records(self):
        by_name = {(record["parameters"]["labels"]["key"],
                    str(record["parameters"]["labels"]["slots"])): record["results"]
                   for record in self.records if record["status"] == "done"}
        lines = [line for line in self.table("scaling") if line["result"] == "done"]
        self.assertEqual(len(lines), len(by_name))
        for line in lines:
            results = by_name[line["key"], line["slots"]]
            ledger, sent = results["getstat"]["ledger"], results["udpblast"]["sent"]
            self.assertEqual(int(line["rcv msgs"]), ledger["received"])
            self.assertEqual(int(line["snd msgs"]), ledger["answered"])
            self.assertAlmostEqual(float(line["%snd"]), 100 * ledger["answered"] / sent, places=2)
        for line in self.table("latency"):
            if line["result"] != "done":
                continue
            stages = {stage["name"]: stage for stage in
                      by_name[line["key"], line["slots"]]["getstat_live"]["stages"]}
            self.assertEqual(int(line["calls"]), stages[line["stage"]]["syscalls"])

    def test_csv_and_markdown_agree(self):
        for name in ("scaling", "latency"):
            self.assertEqual(read_markdown_table(self.output / name / f"{name}.md"),
                             self.table(name))

    def test_charts_are_well_formed(self):
        charts = list(self.output.glob("*/*.svg"))
        self.assertEqual({chart.name for chart in charts}, {"scaling-1.svg", "latency-1.svg"})
        for chart in charts:
            self.assertTrue(ElementTree.parse(chart).getroot().tag.endswith("svg"))

    def test_the_page_has_what_it_links_to_and_is_the_same_again(self):
        with tempfile.TemporaryDirectory() as docs:
            command = [PROJECT / "scripts/studies-page", "--output", self.output, "--docs", docs]
            page = Path(docs) / "studies.md"
            contents = []
            for _ in range(2):
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
                contents.append({path: path.read_bytes() for path in Path(docs).rglob("*")
                                 if path.is_file()})
            self.assertEqual(*contents)
            text = page.read_text(encoding="utf-8")
            links = re.findall(r"\]\(([^)]+)\)", text)
            self.assertEqual(len(links), 4)
            for link in links:
                self.assertTrue((page.parent / link).is_file(), link)
            for part in ("## Scaling", "## Latency", "QUICK MODE"):
                self.assertIn(part, text)


class Resume(ScriptTest):
    def test_what_was_finished_before_a_kill_is_kept(self):
        command = [PROJECT / "scripts/scaling-study", "--quick", "--output", self.root, "--build",
                   Build.folder]
        with open(self.root / "log", "w", encoding="utf-8") as log:
            study = subprocess.Popen(command, stdout=log, stderr=log)
            end = time.monotonic() + 60
            while not record_files(self.root) and time.monotonic() < end:
                self.assertIsNone(study.poll(), (self.root / "log").read_text(encoding="utf-8"))
                time.sleep(0.01)
            children = Path(f"/proc/{study.pid}/task/{study.pid}/children").read_text(
                encoding="ascii").split()
            study.kill()
            study.wait()
        finished = {path: path.read_bytes() for path in record_files(self.root)
                    if json.loads(path.read_bytes())["status"] == "done"}
        self.assertTrue(finished)
        for child in children:  # they die with the study
            self.assertTrue(self.ends(int(child)), child)
        code, output = run_study("scaling-study", self.root)
        self.assertEqual(code, 0, output)
        self.assertIn(f"kept from an earlier run: {len(finished)} of", output)
        for path, content in finished.items():
            self.assertEqual(path.read_bytes(), content)
        code, output = run_study("scaling-study", self.root, "--list")
        self.assertNotIn("0 of 1 measured", output)

    @staticmethod
    def ends(pid):
        """Whether the process ends within 10 s. A process that is not reaped has ended too: the
        first process of a container may not reap orphans."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
            except (FileNotFoundError, ProcessLookupError):
                return True
            if state.split()[0] == "Z":
                return True
            time.sleep(0.05)
        return False

    def test_sigterm_ends_it_with_130(self):
        study = subprocess.Popen([PROJECT / "scripts/scaling-study", "--quick", "--output",
                                  self.root / "out", "--build", Build.folder],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        study.stdout.readline()  # it is at work
        study.send_signal(signal.SIGTERM)
        text = study.communicate(timeout=60)[0]
        self.assertEqual(study.returncode, 130, text)
        self.assertIn("run it again to go on", text)


class Faults(StandIns):
    def test_a_broken_ledger_is_exit_code_1(self):
        build = self.broken_ledger()
        code, output = run_study("scaling-study", self.root / "out", "--rate", "20000", "--rows",
                                 "|r1r1s1|none q8192", build=build)
        self.assertEqual(code, 1, output)
        [line] = read_csv(self.root / "out/scaling/scaling.csv")
        self.assertTrue(line["result"].startswith("FAILED: the ledger does not balance"),
                        line["result"])
        self.assertEqual(line["%throughput"], "")

    def test_a_server_that_does_not_start_is_exit_code_1(self):
        build = self.stand_in("server/cpssd", """\
if [[ $* == *--help* ]]; then exec "$real" "$@"; fi
echo 'no room'; exit 70""")
        code, output = run_study("scaling-study", self.root / "out", "--rate", "20000", "--rows",
                                 "|r1r1s1|none q8192", build=build)
        self.assertEqual(code, 1, output)
        self.assertIn("exit code 70", output)
        self.assertIn("no room", output)

    def test_programs_that_are_missing_are_exit_code_2(self):
        code, output = run_study("latency-study", self.root / "out", build=self.root)
        self.assertEqual(code, 2, output)
        self.assertIn("is missing", output)

    def test_wrong_usage_is_exit_code_64(self):
        for options in (("--repeat", "0"), ("--no-such-option",), ("--rows", "no such row")):
            code, output = run_study("latency-study", self.root / "out", *options)
            self.assertEqual(code, 64, output)


if __name__ == "__main__":
    Build.folder = Path(sys.argv[1]).resolve()
    unittest.main(argv=sys.argv[:1])
