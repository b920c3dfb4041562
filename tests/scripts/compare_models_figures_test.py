#!/usr/bin/python3 -B
"""Tests of the comparison of models that need no server: cases, figures, verdicts, the page."""

import csv
import io
import re
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

from made_up import IDENTITY
from script_test import PROJECT, ScriptTest

sys.path.insert(0, str(PROJECT / "scripts"))

from studies import compare, compare_claims, compare_command, compare_figures, compare_report
from studies import machine, records, resources
from studies.compare import (AMPED, ECHO, FORK, PREFORK, SEDA, SEDA_WORKERS, SPED, SYMPED_HANDOFF,
                             SYMPED_REUSEPORT, SYMPED_SHARED)
from studies.errors import CannotRun, WrongUsage
from studies.verdict import CONFIRMED, NOT_CONFIRMED, NOT_MEASURED

# The settings that each model uses, without those that all of them use.
USED = {
    "seda": {"CPSS_SERVICE_THREADS", "CPSS_WORKER_THREADS", "CPSS_SOCKETS", "CPSS_STEERING",
             "CPSS_EPOLLEXCLUSIVE"},
    "sped": set(),
    "symped": {"CPSS_LANES", "CPSS_SOCKETS", "CPSS_STEERING", "CPSS_EPOLLEXCLUSIVE"},
    "amped": {"CPSS_WORKER_THREADS"},
    "mp": {"CPSS_LANES", "CPSS_MP", "CPSS_SOCKETS", "CPSS_STEERING", "CPSS_EPOLLEXCLUSIVE"},
}
ALL = {"CPSS_MODEL", "CPSS_SERVICE", "CPSS_WORK", "CPSS_NUMBERS", "CPSS_SOCKET_BUFFER",
       "CPSS_DRAIN_TIMEOUT", "CPSS_HISTOGRAMS"}
KNOWN = frozenset(ALL.union(*USED.values()))
TWO_CPUS = mock.patch.object(machine, "allowed_cpus", lambda: (0, 1))


def maker(known=KNOWN):
    with TWO_CPUS:
        return compare.CaseMaker(known, 1.5, False, Path("/numbers"))


ROWS = {row.name: row for row in compare.all_rows()}
CAPACITIES = {capacity.name: 10_000.0 for capacity in compare.capacities_of(ROWS.values())}
CASES = {name: maker().row(row, CAPACITIES) for name, row in ROWS.items()}


def results(answers_per_s=1000.0, right=1000, sent=None, p99_us=100.0, short_p99_us=100.0,
            cpu_s=0.5, imbalance=1.0, lost_races=0, kept=True, achieved=1.0, lag_us=1):
    latency = {"count": 1, **dict.fromkeys(("p50", "p99", "p999", "max"), 1000 * p99_us)}
    short = {"name": "short", "latency_ns": {"count": 1, "p99": 1000 * short_p99_us}}
    return {"udpblast": {"messages_per_s": answers_per_s, "right": right, "sent": sent or right,
                         "latency_ns": latency, "classes": [short],
                         "schedule": {"kept": kept, "achieved_ratio": achieved,
                                      "lag_ns": {"p99": 1000 * lag_us}}},
            "lanes": {"lanes": 2, "received": right, "max_share": imbalance / 2,
                      "imbalance": imbalance, "lost_races": lost_races, "handoffs": 0},
            "usage": {"cpu_s": cpu_s, "switches_per_reply": 0.25, "memory_mib": 12.5,
                      "processes": 1}}


def record_of(name, found=None, repeat=1):
    """A record that is done, or FAILED if `found` is the reason."""
    if isinstance(found, str):
        return records.new_record(CASES[name], repeat, IDENTITY, records.FAILED, reason=found)
    return records.new_record(CASES[name], repeat, IDENTITY, records.DONE,
                              results=found or results())


def outcome(key, found=None):
    """The outcome of the claim or target if its cases had these results, by server; the results of
    other servers are the usual ones. `found`: server -> results, a function of the case's labels
    that makes them, or the reason of a failure."""
    [claim] = [each for each in compare_claims.CLAIMS + compare_claims.TARGETS if each.key == key]

    def of(name):
        labels = CASES[name].labels
        made = (found or {}).get(labels["server"])
        return made(labels) if callable(made) else made

    return claim.verdict([record_of(name, of(name)) for name in claim.cases]).outcome


class Cases(unittest.TestCase):
    def test_names_are_unique(self):
        self.assertEqual(len(list(compare.all_rows())), len(ROWS))

    def test_each_model_gets_only_settings_that_it_uses(self):
        for case in CASES.values():
            model = case.settings["CPSS_MODEL"]
            self.assertLessEqual(set(case.settings), ALL | USED[model], case.name)

    def test_steering_only_with_sockets_to_choose_from(self):
        for case in CASES.values():
            self.assertEqual("CPSS_STEERING" in case.settings,
                             case.settings.get("CPSS_SOCKETS") == "reuseport", case.name)

    def test_all_models_get_the_same_load_in_a_cell(self):
        loads = {}
        for name, row in ROWS.items():
            loads.setdefault(row.cell, set()).add(CASES[name].load)
        for cell, different in loads.items():
            self.assertEqual(len(different), 1, cell)

    def test_every_model_is_there_and_every_service(self):
        grid = [row for row in ROWS.values() if row.cell.group == compare.GRID]
        self.assertEqual({row.model for row in grid}, set(compare.MODELS))
        self.assertEqual({row.cell.service for row in ROWS.values()}, set(compare.SERVICES))

    def test_rates_are_shares_of_what_seda_answers(self):
        capacity = compare.Capacity(ECHO, 1, 64, SEDA)
        for load, rate in ((compare.LOW, 500), (compare.HALF, 5000)):
            row = compare.Row(compare.Cell(ECHO, 1, 64, load), SPED)
            self.assertEqual(maker().row(row, {capacity.name: 10_000.0}).load.rate, rate)

    def test_even_and_uneven_work_have_the_same_rate(self):
        self.assertEqual({compare.capacity_of(row) for row in ROWS.values()
                          if row.cell.group == compare.ISOLATION},
                         {compare.Capacity(compare.BIMODAL, 1, 64, SEDA_WORKERS)})

    def test_without_the_capacity_a_case_is_skipped(self):
        row = compare.Row(compare.Cell(ECHO, 1, 64, compare.HALF), SPED)
        self.assertIn("not measured: capacity: echo", maker().row(row, {}).skip)
        closed = compare.Row(compare.Cell(ECHO, 1, 64, compare.SATURATION), SPED)
        self.assertEqual(maker().row(closed, {}).skip, "")

    def test_a_setting_that_the_server_does_not_know_is_a_reason_to_skip(self):
        row = ROWS["models: echo, 2 CPUs, 64 peers, saturation: mp-fork"]
        self.assertEqual(maker(KNOWN - {"CPSS_MP"}).row(row, {}).skip, "this cpssd has no CPSS_MP")

    def test_more_cpus_than_there_are(self):
        with mock.patch.object(machine, "allowed_cpus", lambda: (0,)):
            make = compare.CaseMaker(KNOWN, 1.5, False, Path("/numbers"))
        skip = {name: make.row(row, CAPACITIES).skip for name, row in ROWS.items()}
        for name, why in skip.items():
            self.assertEqual(why, "only 1 CPU allowed here" if "2 CPUs" in name else "", name)

    def test_a_client_of_packets_has_room_for_one_at_each_peer(self):
        for case in CASES.values():
            if "--segment" in case.load.more:
                self.assertGreaterEqual(case.load.outstanding, 32 * case.load.clients, case.name)

    def test_pools_of_processes_keep_no_histograms(self):
        for case in CASES.values():
            self.assertEqual(case.settings.get("CPSS_HISTOGRAMS"),
                             "0" if case.labels["group"] == compare.COUNTS else None, case.name)


class Numbers(ScriptTest):
    def test_each_number_is_asked_for_once_with_the_reply_to_expect(self):
        compare.write_numbers(self.root)
        with open(self.root / "numbers.csv", encoding="utf-8") as file:
            gateways = {line["prefix"]: line["gateway"] for line in csv.DictReader(file)}
        queries = (self.root / "queries.tsv").read_text(encoding="utf-8").splitlines()
        self.assertEqual(len(queries), 100_000)
        asked = dict(re.fullmatch(r"\+(\d+)\tprefix=\1;gateway=(.+)", line).groups()
                     for line in queries)
        self.assertEqual(asked, gateways)


class Lanes(unittest.TestCase):
    @staticmethod
    def lanes(*received, lost_races=0):
        return [{"lane": f"lane-{i}", "received": count, "lost_races": lost_races, "handoffs": i}
                for i, count in enumerate(received)]

    def test_what_was_received_before_does_not_count(self):
        found = compare_figures.lanes_summary(self.lanes(100, 0, lost_races=1),
                                              self.lanes(400, 100, lost_races=3))
        self.assertEqual(found, {"lanes": 2, "received": 400, "max_share": 0.75,
                                 "imbalance": 1.5, "lost_races": 4, "handoffs": 0})

    def test_a_lane_that_was_not_there_before(self):
        self.assertEqual(compare_figures.lanes_summary(self.lanes(5), self.lanes(5, 9))["received"],
                         9)

    def test_nothing_received(self):
        found = compare_figures.lanes_summary(self.lanes(5), self.lanes(5))
        self.assertEqual((found["imbalance"], found["max_share"]), (None, None))

    def test_figures_are_for_each_reply(self):
        found = results(right=2000, sent=2500, cpu_s=0.5, lost_races=100)
        self.assertEqual((compare_figures.cpu_us(found), compare_figures.lost(found),
                          compare_figures.lost_races_per_1000(found)), (250, 500, 50))

    def test_where_nothing_was_answered(self):
        self.assertEqual(compare_figures.cpu_us(results(right=0, sent=5, cpu_s=0.5)), 500_000)


class Usage(unittest.TestCase):
    BURN = ("import sys, time\nend = time.process_time() + 0.2\n"
            "while time.process_time() < end: pass\n")

    def start(self, program):
        child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.stdin.close)
        self.assertEqual(child.stdout.readline(), "ready\n")
        return child.pid

    def test_a_process_alone(self):
        pid = self.start(self.BURN + "print('ready', flush=True); sys.stdin.read()")
        found = resources.usage(pid)
        self.assertEqual(found.processes, 1)
        self.assertGreaterEqual(found.cpu_s, 0.2)
        self.assertGreater(found.switches, 0)

    def test_children_that_live_and_grandchildren(self):
        alone = self.start("import sys; print('ready', flush=True); sys.stdin.read()")
        pid = self.start(f"""import os
ends, done = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        exec({self.BURN!r})
        os.write(done, b'x')
    os.read(0, 1)  # until the test ends it
    os._exit(0)
os.read(ends, 1)
print('ready', flush=True)
os.read(0, 1)
""")
        found = resources.usage(pid)
        self.assertEqual(found.processes, 3)
        self.assertGreaterEqual(found.cpu_s, 0.2)
        self.assertGreater(resources.memory_mib(pid), 0)
        self.assertLess(resources.usage(alone).cpu_s, found.cpu_s)

    def test_children_that_were_reaped(self):
        pid = self.start(f"""import os
if os.fork() == 0:
    exec({self.BURN!r})
    os._exit(0)
os.wait()
print('ready', flush=True)
os.read(0, 1)
""")
        found = resources.usage(pid)
        self.assertEqual(found.processes, 1)
        self.assertGreaterEqual(found.cpu_s, 0.19)  # counted in clock ticks

    def test_one_that_is_not_there(self):
        child = subprocess.Popen(["true"])
        child.wait()
        self.assertEqual(resources.usage(child.pid), resources.Usage(0, 0, 0))

    def test_memory_that_is_shared_counts_once(self):
        size = 64 << 20
        pid = self.start(f"""import mmap, os
memory = mmap.mmap(-1, {size})
memory.write(b'x' * {size})
ends, done = os.pipe()
if os.fork() == 0:
    memory.seek(0)
    memory.read({size})
    os.write(done, b'x')
    os.read(0, 1)
    os._exit(0)
os.read(ends, 1)
print('ready', flush=True)
os.read(0, 1)
""")
        self.assertTrue(64 < resources.memory_mib(pid) < 200)


class Claims(unittest.TestCase):
    def test_names_are_of_cases_that_are_measured(self):
        for claim in compare_claims.CLAIMS + compare_claims.TARGETS:
            self.assertTrue(claim.cases, claim.key)
            self.assertEqual(claim.cases - set(ROWS), set(), claim.key)

    def test_each_is_judged_by_nothing_but_its_cases(self):
        for claim in compare_claims.CLAIMS + compare_claims.TARGETS:
            outcome(claim.key)  # raises if it needs a figure of another case
            found = claim.verdict([record_of(name) for name in claim.cases])
            self.assertNotEqual(found.outcome, NOT_MEASURED, f"{claim.key}: {found.figure}")

    @staticmethod
    def uneven(p99_us, **more):
        """Results in which short messages take `p99_us` beside long ones."""
        return results(p99_us=100, short_p99_us=p99_us, **more)

    def test_a_one_loop(self):
        self.assertEqual([outcome("a", {SPED: self.uneven(p99)}) for p99 in (499, 500)],
                         [NOT_CONFIRMED, CONFIRMED])

    def test_b_fork(self):
        def fork(service, answers):
            return {FORK: lambda labels: results(answers if labels["service"] == service else 500)}
        self.assertEqual([outcome("b", fork("work-100", answers)) for answers in (999, 1000)],
                         [CONFIRMED, NOT_CONFIRMED])

    def test_c_pools(self):
        def sped(service, answers):
            return {SPED: lambda labels: results(answers if labels["service"] == service
                                                 else 1000)}
        for service, limit in (("work-10", 1250), ("work-100", 1250), (ECHO, 2500),
                               ("work-1", 2500)):
            self.assertEqual([outcome("c", sped(service, answers))
                              for answers in (limit, limit + 1)], [CONFIRMED, NOT_CONFIRMED])

    def test_d_processes(self):
        def many(service, answers):
            return {f"{PREFORK}, 16 processes":
                    lambda labels: results(answers if labels["service"] == service else 1000)}
        for service in (ECHO, "work-100"):
            self.assertEqual([outcome("d", many(service, answers)) for answers in (1050, 1051)],
                             [CONFIRMED, NOT_CONFIRMED])
        self.assertEqual(outcome("d", many("sleeping", 9000)), CONFIRMED)

    def test_e_herd(self):
        def woken(threads, processes, exclusive=0):
            return {f"{SYMPED_SHARED}, all are woken": results(lost_races=threads),
                    f"{PREFORK}, all are woken": results(lost_races=processes),
                    f"{PREFORK}, one is woken": results(lost_races=exclusive)}
        self.assertEqual([outcome("e", woken(*races)) for races in
                          ((101, 101), (100, 500), (500, 100), (50, 50, 500))],
                         [CONFIRMED, NOT_CONFIRMED, NOT_CONFIRMED, NOT_CONFIRMED])

    def test_f_evenness(self):
        for model in (SYMPED_SHARED, PREFORK):
            self.assertEqual([outcome("f", {model: results(imbalance=imbalance)})
                              for imbalance in (1.2, 1.21)], [CONFIRMED, NOT_CONFIRMED])

    def test_g_handoff(self):
        def handoff(long, short):
            return {SYMPED_HANDOFF: lambda labels: results(
                long if labels["service"] in ("work-100", "work-1000") else short)}
        self.assertEqual([outcome("g", handoff(*answers)) for answers in
                          ((950, 949), (949, 949), (950, 950))],
                         [CONFIRMED, NOT_CONFIRMED, NOT_CONFIRMED])

    def test_h_pipeline(self):
        self.assertEqual([outcome("h", {SEDA_WORKERS: self.uneven(p99)}) for p99 in (200, 201)],
                         [CONFIRMED, NOT_CONFIRMED])

    def test_two_lanes(self):
        self.assertEqual([outcome("two lanes", {SYMPED_REUSEPORT: results(answers)})
                          for answers in (1900, 1899)], [CONFIRMED, NOT_CONFIRMED])

    def test_isolation_needs_all_three(self):
        def of(seda, amped, sped):
            return outcome("isolation", {SEDA_WORKERS: self.uneven(seda), AMPED: self.uneven(amped),
                                         SPED: self.uneven(sped)})
        self.assertEqual([of(200, 200, 201), of(201, 200, 900), of(200, 201, 900),
                          of(200, 200, 200)],
                         [CONFIRMED, NOT_CONFIRMED, NOT_CONFIRMED, NOT_CONFIRMED])

    def test_a_case_that_failed_leaves_no_verdict_and_only_where_it_belongs(self):
        self.assertEqual(outcome("h", {SEDA_WORKERS: "the ledger does not balance"}), NOT_MEASURED)
        every = [record_of(name, "it failed" if ROWS[name].model == FORK else None)
                 for name in ROWS]
        self.assertEqual([claim.key for claim in compare_claims.CLAIMS
                          if claim.verdict(every).outcome == NOT_MEASURED], ["b"])

    def test_what_was_not_measured_leaves_no_verdict(self):
        for claim in compare_claims.CLAIMS + compare_claims.TARGETS:
            self.assertEqual(claim.verdict([]).outcome, NOT_MEASURED)
            for missing in claim.cases:
                found = claim.verdict([record_of(name) for name in claim.cases - {missing}])
                self.assertEqual(found.outcome, NOT_MEASURED, missing)

    def test_a_client_that_was_late_or_sent_too_little_leaves_none_on_latency(self):
        for key in ("a", "h", "isolation"):
            for bad in ({"achieved": 0.98}, {"kept": False, "lag_us": 50}):
                self.assertEqual(outcome(key, {server: results(**bad) for server in
                                               (SPED, AMPED, SEDA_WORKERS)}), NOT_MEASURED)


class Report(ScriptTest):
    def csv_lines(self, known):
        return list(csv.DictReader(io.StringIO(compare_report.report(known).table.csv())))

    def test_a_failed_case_is_shown_as_such(self):
        name = "models: echo, 2 CPUs, 64 peers, saturation: mp-fork"
        [line] = self.csv_lines([record_of(name, "the ledger does not balance\nlog")])
        self.assertEqual((line["result"], line["answered a second"]),
                         ("FAILED: the ledger does not balance", ""))
        self.assertIn("FAILED: the ledger does not balance",
                      compare_report.tables([record_of(name, "the ledger does not balance")]))

    def test_lines_have_the_order_of_the_cases_whatever_order_they_were_measured_in(self):
        lines = self.csv_lines([record_of(name) for name in reversed(ROWS)])
        self.assertEqual([line["server"] for line in lines], [row.server for row in ROWS.values()])

    def test_repeats_are_medians(self):
        name = "models: echo, 2 CPUs, 64 peers, saturation: sped"
        [line] = self.csv_lines([record_of(name, results(answers), repeat)
                                 for repeat, answers in ((1, 100), (2, 300), (3, 110))])
        self.assertEqual((line["answered a second"], line["answered a second_max"]), ("110", "300"))

    def test_charts_of_ratios(self):
        def of(name):
            row = ROWS[name]
            return results(300 if row.model == SPED else 600)
        known = [record_of(name, of(name)) for name in ROWS if ROWS[name].model in (SPED, SEDA)]
        lines = compare_report.report(known).table.lines()
        of_each = {cpus: {"seda": 2, "sped": 1} for cpus in ("1 CPU", "2 CPUs")}
        self.assertEqual(compare_report.answers_panels(lines),
                         {us: of_each for us in compare.WORK_US})
        self.assertEqual(compare_report.latency_panels(lines),
                         {us: {"1 CPU": {"seda": 0.1, "sped": 0.1}} for us in compare.WORK_US})
        self.assertEqual([chart.title for chart in compare_report.STUDY.charts(lines)], [
            "On 2 CPUs seda answers most with 1 us of work, 2.00 times what sped does; with 1,000 "
            "us 1 of 2 models are within 5 % of the best",
            "Lowest p99 latency at half load: seda with 1, 10, 100, 1,000 us of work"])
        self.assertEqual(compare_report.STUDY.charts([]), [])

    def test_chart_of_processes(self):
        name = "processes: echo, 2 CPUs, 64 peers, saturation: mp-prefork, "
        known = [record_of(name + "1 process", results(250)),
                 record_of(name + "16 processes", results(1000))]
        lines = compare_report.report(known).table.lines()
        self.assertEqual(compare_report.against_processes(lines), {ECHO: [(1, 0.25), (16, 1)]})
        [chart] = compare_report.STUDY.charts(lines)
        self.assertEqual(chart.title, "A pool of few processes is enough on 2 CPUs: 16 for echo")


class Page(ScriptTest):
    def setUp(self):
        super().setUp()
        self.write("models.md", (PROJECT / "docs/models.md").read_text(encoding="utf-8"))
        store = records.Store(self.root / "records", IDENTITY)
        for name, row in ROWS.items():
            if row.cell.service == "work-100":
                store.save(record_of(name), CASES[name])

    def test_it_has_what_it_links_to_and_is_the_same_again(self):
        contents = []
        for _ in range(2):
            page = compare_report.write_page(self.root / "records", self.root)
            contents.append({path.name: path.read_bytes() for path in
                             [page, *(self.root / "models").iterdir()]})
        self.assertEqual(*contents)
        text = contents[0]["models.md"].decode()
        links = re.findall(r"\]\((models/[^)]+)\)", text)
        self.assertGreater(len(links), 3)
        for link in links:
            self.assertTrue((self.root / link).is_file(), link)
        self.assertIn("| a | One loop's latency jumps", text)
        self.assertIn("**work-100**", text)

    def test_a_page_without_a_place_is_an_error(self):
        self.write("models.md", "# Models\n")
        self.assertRaisesRegex(CannotRun, "no place for origin", compare_report.write_page,
                               self.root / "records", self.root)

    def test_without_records(self):
        self.assertRaises(CannotRun, compare_report.write_page, self.root / "none", self.root)


class OwnLoad(unittest.TestCase):
    def load(self, text, service="echo"):
        return compare_command.own_load(service, text, 1.5)

    def test_options_of_every_load_are_taken_and_the_others_passed_on(self):
        load = self.load("-c 64 -Q 5000 --work 'exp:30;sleep' --size 200 -l 2", "work")
        self.assertEqual((load.clients, load.rate, load.size, load.seconds, load.more),
                         (64, 5000, 200, 2.0, ("--work", "exp:30;sleep")))
        given = [word for word in load.arguments() if word.startswith("-")]
        self.assertEqual(len(given), len(set(given)))  # udpblast takes no option twice

    def test_without_an_end_it_has_the_usual_length(self):
        self.assertEqual(self.load("").seconds, 1.5)
        self.assertEqual((self.load("--count 7").seconds, self.load("--count 7").count), (None, 7))

    def test_a_service_that_the_client_does_not_know_is_sent_as_another(self):
        self.assertEqual(self.load("--service echo", "mine").service, "echo")
        self.assertRaisesRegex(WrongUsage, "--service with one of", self.load, "", "mine")

    def test_bad_options(self):
        for text in ("-Q many", "'"):
            self.assertRaises(WrongUsage, self.load, text)

    def test_all_models_get_the_users_settings(self):
        case = maker().own("mine", 1, SPED, self.load("--service echo -Q 7"), {"CPSS_X": "1"})
        self.assertEqual((case.settings["CPSS_SERVICE"], case.settings["CPSS_MODEL"],
                          case.settings["CPSS_X"], case.load.service),
                         ("mine", "sped", "1", "echo"))


class Usages(unittest.TestCase):
    def test_wrong_ones_are_exit_code_64(self):
        for options in (["--models", "apache"], ["--services", "dns"], ["--repeat", "0"],
                        ["--seconds", "0"], ["--resume", "--fresh"], ["--load", "-c 1"],
                        ["--service", "echo", "--services", "echo"],
                        ["--service", "echo", "--env", "PATH=x"]):
            run = subprocess.run([PROJECT / "scripts/compare-models", *options], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            self.assertEqual(run.returncode, 64, (options, run.stdout))


if __name__ == "__main__":
    unittest.main()
