#!/usr/bin/python3 -B
"""Tests of the studies that need no server: formulas, rows, records, tables, on hand-made data."""

import contextlib
import csv
import dataclasses
import io
import re
import shutil
import sys
import unittest
from unittest import mock

from made_up import IDENTITY
from script_test import PROJECT, ScriptTest

sys.path.insert(0, str(PROJECT / "scripts"))

from studies import highest_rate, latency, machine, page, records, rows, scaling, search
from studies.blast import Load
from studies.campaign import run_cases
from studies.cases import Case, unknown_settings
from studies.charts import STYLES, Bars, Dot, Dots, Lines, Panel
from studies.errors import CannotRun, CaseFailed
from studies.progress import minutes
from studies.tables import Column, Table



def stage(name, **figures):
    return {"name": name, "entered": 0, "syscalls": 0, "syscall_ns": 0, "sem_waits": 0,
            "wait_calls": 0, "sem_wait_ns": 0, "slot_wait_ns": 0, "queue_wait_ns": 0, "step_ns": 0,
            **figures}


STAGES = [
    stage("receive", entered=1000, syscalls=120, wait_calls=20, syscall_ns=500_000,
          slot_wait_ns=4_000_000, step_ns=12_000_000),
    stage("service", entered=1000, sem_waits=10, sem_wait_ns=30_000, queue_wait_ns=7_000_000,
          step_ns=1_000_000),
    stage("worker", entered=750, queue_wait_ns=1_500_000, step_ns=750_000),
    stage("response", entered=1000, queue_wait_ns=2_000_000, step_ns=20_000_000),
]


def results(sent=2000, received=1000, answered=900, stages=STAGES, kept=True, achieved=1):
    return {"udpblast": {"sent": sent, "sent_per_s": 5000, "messages_per_s": 4000,
                         "schedule": {"kept": kept, "achieved_ratio": achieved}},
            "getstat_live": {"stages": stages},
            "getstat": {"ledger": {"received": received, "answered": answered,
                                   "kernel_dropped": 1000}}}


def case_of(key="1|1|sys|r1r1s1|none", rate=5000, **changes):
    _, cpus, synch, shape, receive = key.split("|")
    labels = {"key": key, "shape": shape, "cpus": int(cpus), "synch": synch, "receive": receive,
              "slots": 8192, "small_slots": False, "quick": False, "rate": {}}
    case = Case(rows.EXPERIMENT, key, Load(count=2000, rate=rate), f"at {rate}",
                server_cpus=(1,), client_cpus=(0,), labels=labels)
    return dataclasses.replace(case, **changes)


def record_of(case=None, repeat=1, status=records.DONE, **more):
    if status == records.DONE:
        more.setdefault("results", results())
    return records.new_record(case or case_of(), repeat, IDENTITY, status, **more)


def csv_lines(table):
    return list(csv.DictReader(io.StringIO(table.csv())))


class Formulas(unittest.TestCase):
    def test_scaling(self):
        [line] = csv_lines(scaling.report([record_of()]).table)
        expected = {"sent": "2000", "rcv msgs": "1000", "snd msgs": "900", "total": "1900",
                    "%rcv": "50.00", "%snd": "45.00", "%throughput": "47.50",
                    "scaling figure": "950.0", "answered a second": "4000",
                    "kernel drops": "1000", "schedule": "kept",
                    "client": "apart", "result": "done"}
        self.assertEqual({name: line[name] for name in expected}, expected)

    def test_a_schedule_that_was_not_kept_is_marked(self):
        for achieved, mark in ((0.99, "late"), (0.98, "NOT KEPT")):
            record = record_of(results=results(kept=False, achieved=achieved))
            self.assertEqual(csv_lines(scaling.report([record]).table)[0]["schedule"], mark)

    def test_a_client_on_the_servers_cpus_is_marked(self):
        record = record_of(case_of(client_cpus=(0, 1)))
        self.assertEqual(csv_lines(scaling.report([record]).table)[0]["client"], "shares CPUs")

    def test_stage_means(self):
        receive, service, worker, response = map(latency.stage_figures, STAGES)
        self.assertEqual((receive.call_us, receive.slot_wait_us, receive.service_us), (5, 4, 12))
        self.assertEqual((service.sem_wait_us, service.queue_wait_us, service.service_us),
                         (3, 7, 1))
        self.assertEqual((worker.queue_wait_us, worker.service_us), (2, 1))
        self.assertEqual((response.queue_wait_us, response.service_us), (2, 20))

    def test_total_counts_a_stage_for_the_share_that_took_it(self):
        self.assertAlmostEqual(latency.total_us(results()),
                               4 + 12 + (7 + 1) + 0.75 * (2 + 1) + (2 + 20))

    def test_a_stage_without_messages(self):
        figures = latency.stage_figures(stage("worker"))
        self.assertEqual((figures.call_us, figures.service_us, figures.queue_wait_us), (0, 0, 0))

    def test_latency_is_sorted_by_throughput_total_and_configuration(self):
        slow = [dict(STAGES[0], slot_wait_ns=9_000_000), *STAGES[1:]]
        given = [
            record_of(case_of("1|1|sys|r9r9s9|none"), status=records.SKIPPED, reason="why"),
            record_of(case_of("1|1|sys|r1r1s3|none"), results=results(answered=800)),
            record_of(case_of("1|1|sys|r1r1s2|none"), results=results(stages=slow)),
            record_of(case_of("1|1|sys|r1r1s5|none")),
            record_of(case_of("1|1|sys|r1r1s4|none")),
        ]
        keys = dict.fromkeys(line["key"] for line in csv_lines(latency.report(given).table))
        self.assertEqual([key.split("|")[3] for key in keys],
                         ["r1r1s4", "r1r1s5", "r1r1s2", "r1r1s3", "r9r9s9"])


class Repeats(unittest.TestCase):
    def test_median_and_spread(self):
        given = [record_of(repeat=repeat, results=results(answered=answered))
                 for repeat, answered in ((1, 900), (2, 1000), (3, 600))]
        table = scaling.report(given).table
        [line] = csv_lines(table)
        self.assertEqual([line["%throughput" + end] for end in ("", "_min", "_max")],
                         ["47.50", "40.00", "50.00"])
        self.assertIn("47.50 (40.00 to 50.00)", table.markdown())

    def test_a_failed_repeat_is_not_hidden_by_good_ones(self):
        given = [record_of(), record_of(repeat=2, status=records.FAILED, reason="bad\nlog")]
        for study in (scaling, latency):
            report = study.report(given)
            self.assertIn("FAILED: bad", report.table.csv(), study.__name__)

    def test_texts_cannot_break_the_markdown(self):
        table = Table([Column("a", lambda item: item)], [["x|y\nz"]])
        self.assertIn("| x\\|y z |", table.markdown())


class Rows(unittest.TestCase):
    def cases(self, known):
        make = rows.CaseMaker(frozenset(known), Load(count=2020222, rate=1), {}, False)
        return [make(row) for row in rows.full_matrix([1, 2])]

    def test_the_matrix_is_the_articles(self):
        self.assertEqual([str(shape) for shape in rows.SHAPES],
                         ["r1r1s1", "r1r1s1w1", "r1r1s1w1d2", "r1r1s1w2", "r1r1s1w2d2", "r1r1s1w4",
                          "r1r1s1w4d2", "r2r2s2", "r2r2s2w2", "r2r2s2w2d2", "r2r2s4w4",
                          "r2r2s4w4d2"])
        names = [case.name for case in self.cases(())]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(len(names), 12 * 2 * (2 * 2 + 1))

    def test_the_table_has_their_order_whatever_order_they_were_measured_in(self):
        cases = self.cases(())
        records_backwards = [record_of(case) for case in reversed(cases)]
        self.assertEqual([line["key"] for line in
                          csv_lines(scaling.report(records_backwards).table)],
                         [case.labels["key"] for case in cases])

    def test_settings(self):
        by_key = {case.labels["key"].partition("|")[2]: case for case in self.cases(())
                  if not case.labels["small_slots"]}
        settings = by_key["1|process|r2r2s4w4d2|rcv_rt"].settings
        self.assertEqual({name: settings.get(name) for name in (
            "CPSS_RECV_THREADS", "CPSS_RESP_THREADS", "CPSS_SERVICE_THREADS",
            "CPSS_WORKER_THREADS", "CPSS_ONDEMAND_THREADS", "CPSS_DEFER", "CPSS_SYNCH_PROCESS",
            "CPSS_RECV_THREADS_RT", "CPSS_RT_ALLOW_SMALL", "CPSS_QSLOTS", "CPSS_DISPATCH")}, {
                "CPSS_RECV_THREADS": "2", "CPSS_RESP_THREADS": "2", "CPSS_SERVICE_THREADS": "4",
                "CPSS_WORKER_THREADS": "4", "CPSS_ONDEMAND_THREADS": "2", "CPSS_DEFER": "all",
                "CPSS_SYNCH_PROCESS": "1", "CPSS_RECV_THREADS_RT": "10",
                "CPSS_RT_ALLOW_SMALL": "1", "CPSS_QSLOTS": "2020222", "CPSS_DISPATCH": None})
        plain = by_key["1|sys|r1r1s1|none"].settings
        for name in ("CPSS_WORKER_THREADS", "CPSS_ONDEMAND_THREADS", "CPSS_DEFER",
                     "CPSS_SYNCH_PROCESS", "CPSS_RECV_THREADS_RT"):
            self.assertNotIn(name, plain)

    def test_messages_are_handed_over_where_the_server_could_do_otherwise(self):
        for case in self.cases({"CPSS_DISPATCH"}):
            self.assertEqual(case.settings["CPSS_DISPATCH"], "queued")

    def test_settings_that_the_server_does_not_know_are_a_reason_to_skip(self):
        self.assertEqual(unknown_settings({"CPSS_A": "1", "CPSS_B": "1"}, frozenset({"CPSS_A"})),
                         "this cpssd has no CPSS_B")
        self.assertEqual(unknown_settings({"CPSS_A": "1"}, frozenset({"CPSS_A"})), "")

    def test_the_client_has_cpus_of_its_own_where_there_are_any(self):
        self.assertEqual(machine.split_cpus(1, (0, 1)), ((1,), (0,)))
        self.assertEqual(machine.split_cpus(2, (0, 1)), ((0, 1), (0, 1)))
        self.assertEqual(machine.split_cpus(2, (0, 1, 4, 5)), ((4, 5), (0, 1)))

    def test_cpu_lists(self):
        self.assertEqual(machine.cpu_list((0, 1, 2, 5, 7, 8)), "0-2,5,7-8")


class Search(unittest.TestCase):
    def search(self, limit, begin=1000, probes=20):
        asked = []

        def keeps(rate):
            asked.append(rate)
            return rate <= limit

        found = search.highest(keeps, begin, probes)
        self.assertLessEqual(len(asked), probes)
        return found

    def test_it_is_found_from_below_and_from_above(self):
        for limit in (13_000, 70, 1000, 1001):
            kept, missed = self.search(limit)
            self.assertLessEqual(kept, limit)
            self.assertGreater(missed, limit)
            self.assertLessEqual(missed, kept * search.NEAR_ENOUGH)

    def test_probes_are_bounded(self):
        self.assertEqual(self.search(10**9, probes=4), (8000, search.NONE_MISSED))
        self.assertEqual(self.search(0, probes=3), (0, 250))


class HighestRate(ScriptTest):
    """Of a made-up server that answers so much a second, and a client that can send so much."""

    @staticmethod
    def found(server, client, probes=20, begin=1000):
        def send(rate):
            sent_per_s = min(rate, client)
            answered = min(1, server / sent_per_s)
            return {"sent": 100_000, "right": round(100_000 * answered), "sent_per_s": sent_per_s,
                    "schedule": {"achieved_ratio": sent_per_s / rate}}
        return highest_rate.search_for(send, begin, probes)

    def test_the_server_is_the_limit(self):
        for server in (70, 999, 13_000):
            result = self.found(server, client=10**6)
            self.assertEqual(result["limit"], "server")
            self.assertLessEqual(result["rate"], 1.002 * server)  # 99.9 % of it is answered
            self.assertGreaterEqual(result["rate"] * search.NEAR_ENOUGH, server)

    def test_the_client_is_the_limit(self):
        result = self.found(server=10**6, client=13_000)
        self.assertEqual(result["limit"], "client")
        self.assertLessEqual(result["rate"], 13_000 / 0.99)
        self.assertGreaterEqual(result["rate"] * search.NEAR_ENOUGH, 13_000)

    def test_nothing_was_too_much(self):
        self.assertEqual({**self.found(10**9, 10**9, probes=2), "probes": []},
                         {"rate": 2000, "limit": "client", "probes": []})

    def test_nothing_was_little_enough(self):
        result = self.found(0, 10**9, probes=3)
        self.assertEqual((result["rate"], result["limit"]), (0, "server"))
        self.assertEqual([probe["rate"] for probe in result["probes"]], [1000, 500, 250])

    def test_only_a_case_that_says_so_is_searched_and_on_a_server_of_its_own(self):
        loads = []

        def send(_, load, __, ___):
            loads.append(load)
            return {"sent": 1000, "right": 1000, "sent_per_s": load.rate,
                    "schedule": {"achieved_ratio": 1}}

        with mock.patch.object(highest_rate, "one_load", lambda *_: lambda case: results()), \
                mock.patch.object(highest_rate, "Server") as server, \
                mock.patch.object(highest_rate.blast, "run", send):
            run = highest_rate.runner(None, self.root)
            self.assertNotIn("highest", run(case_of()))
            server.assert_not_called()
            labels = {**case_of().labels, **highest_rate.label_of(highest_rate.QUICK)}
            found = run(case_of(labels=labels))["highest"]
            server.assert_called_once()
            server.return_value.__enter__.return_value.check_ledger.assert_called_once()
        self.assertEqual([load.rate for load in loads], [4000, 8000, 16_000, 32_000])
        self.assertEqual({(load.count, load.seconds) for load in loads}, {(None, 0.2)})
        self.assertEqual((found["rate"], found["limit"]), (32_000, "client"))

    def test_rows_with_few_slots_are_searched_and_no_others(self):
        make = rows.CaseMaker(frozenset(), Load(count=2020222, rate=1), {}, False)
        for row in rows.full_matrix([1]):
            self.assertEqual(highest_rate.LABEL in make(row).labels, row.slots is not None)


class Charts(ScriptTest):
    @staticmethod
    def lines(study, *known):
        return study.report(known).table.lines()

    @staticmethod
    def record(key, few_slots=False, **figures):
        case = case_of(key)
        labels = {**case.labels, "slots": rows.SMALL_SLOTS if few_slots else 2000,
                  "small_slots": few_slots}
        found = results()
        found["udpblast"]["messages_per_s"] = figures.pop("answers_per_s", 4000)
        if "highest" in figures:
            found["highest"] = dict(zip(("rate", "limit"), figures.pop("highest")))
        return record_of(dataclasses.replace(case, name=f"{key} {few_slots}", labels=labels),
                         results=found)

    def test_the_highest_rates_with_the_articles_load(self):
        [chart] = scaling.STUDY.charts(self.lines(
            scaling, self.record("1|1|sys|r1r1s1|none", answers_per_s=9000),
            self.record("1|1|sys|r1r1s1|none", True, highest=(3000, "server")),
            self.record("1|1|sys|r2r2s2|none", True, highest=(2000, "server")),
            self.record("0-1|2|sys|r2r2s2|none", True, highest=(4500, "client"))))
        self.assertEqual(chart.title, "r2r2s2 on 2 CPUs takes the highest rate, at least 4,500 a "
                                      "second, 1.50 times the best on one (r1r1s1)")
        self.assertEqual(chart.rows, ["r2r2s2", "r1r1s1"])  # the best first
        [panel] = chart.panels
        self.assertEqual(panel.series, {"1 CPU": {"r1r1s1": Dot(3000), "r2r2s2": Dot(2000)},
                                        "2 CPUs": {"r2r2s2": Dot(4500, bound=True)}})
        self.assertEqual(panel.marks, {"the article's load, 5,000 a second": 5000})

    def test_answers_a_second_where_no_highest_rate_was_measured(self):
        [chart] = scaling.STUDY.charts(self.lines(
            scaling, self.record("1|1|sys|r1r1s1|none", answers_per_s=3000),
            self.record("1|1|sys|r1r1s1|none", True, answers_per_s=9000)))
        self.assertEqual(chart.title, "r1r1s1 on 1 CPU answers most, 3,000 a second")

    def test_answers_as_many_as_the_client_could_send_are_a_bound(self):
        known = self.record("1|1|sys|r1r1s1|none", answers_per_s=4990)
        known.results["udpblast"]["schedule"] = {"kept": False, "achieved_ratio": 0.5}
        [chart] = scaling.STUDY.charts(self.lines(scaling, known))
        self.assertTrue(chart.panels[0].series["1 CPU"]["r1r1s1"].bound)

    def test_what_shared_queues_and_real_time_change(self):
        keys = ("1|1|sys|r1r1s1|none", "1|1|process|r1r1s1|none", "1|1|sys|r1r1s1|rcv_rt")
        _, chart = scaling.STUDY.charts(self.lines(scaling, *(
            self.record(key, answers_per_s=answers)
            for key, answers in zip(keys, (4000, 4400, 3000)))))
        self.assertEqual(chart.title, "Answers a second on 1 CPU: queues in shared memory 1.10 "
                                      "times, real-time receive 0.75 times")

    def test_where_the_time_goes(self):
        [chart] = latency.STUDY.charts(self.lines(latency, self.record("1|1|sys|r1r1s1|none")))
        dots = chart.panels[0].series["1 CPU"]
        self.assertAlmostEqual(sum(dot.value for dot in dots.values()),
                               latency.total_us(results()))
        self.assertEqual(dots["wait for worker"].value, 1.5)
        self.assertEqual(chart.rows, ["wait for a slot", "receive step", "wait for service",
                                      "service step", "wait for worker", "worker step",
                                      "wait for response", "response step"])
        self.assertEqual(chart.title,
                         "41 % of a message's time in the server is the response step")

    def test_other_numbers_of_cpus_are_drawn_too(self):
        [chart] = scaling.STUDY.charts(self.lines(scaling, self.record("0-2|3|sys|r1r1s1|none")))
        chart.write(self.root / "chart.svg")
        self.assertIn("r1r1s1 on 3 CPUs", (self.root / "chart.svg").read_text("utf-8"))

    def test_without_figures_there_is_none(self):
        skipped = record_of(status=records.SKIPPED, reason="why")
        for study in (scaling, latency):
            self.assertEqual(study.STUDY.charts(self.lines(study, skipped)), [])

    def test_all_kinds_are_the_same_again_and_need_no_colour(self):
        series = {name: {"row": Dot(number + 1, bound=True)}
                  for number, name in enumerate(("1 CPU", "2 CPUs"))}
        for chart in (Dots("t", "a", "x", [Panel("p", series, {"asked": 1})], bound="b"),
                      Dots("t", "a", "x", [Panel("p", series)] * 2, log=True, rows=["row"]),
                      Lines("t", "a", "x", "y", {"echo": [(1, 2)], "sleeping": [(1, 2), (2, 2)]}),
                      Bars("t", "a", "x", {"row": (1, "text")}, {"mark": 2})):
            contents = []
            for _ in range(2):
                chart.write(self.root / "chart.svg")
                contents.append((self.root / "chart.svg").read_bytes())
            self.assertEqual(*contents)
            self.assertIn(b">t<", contents[0])
        for name, style in STYLES.items():
            self.assertNotEqual(style.marker, "", name)
        together = (("1 CPU", "2 CPUs", "4 CPUs", "8 CPUs"), scaling.VARIANTS,
                    ("64KiB", "256KiB", "1MiB", "4MiB", "16MiB"), ("echo", "work-100", "sleeping"),
                    ("bare loop", "cpssd", "cpssd, set otherwise"))
        self.assertEqual({name for names in together for name in names}, set(STYLES))
        for names in together:
            for what in ("colour", "marker"):
                self.assertEqual(len({getattr(STYLES[name], what) for name in names}), len(names))


class Pages(ScriptTest):
    @staticmethod
    def texts(folder):
        """What is written in each chart, which the version of the drawing library does not change.
        """
        return {path.name: re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text("utf-8"))
                for path in folder.glob("*.svg")}

    def test_charts_are_what_the_files_beside_them_say(self):
        docs = self.root / "docs"
        shutil.copytree(PROJECT / "docs", docs)
        written = page.redraw_charts(docs)
        self.assertEqual(len(written), 3)
        for path in written:
            self.assertEqual(path.read_text("utf-8"),
                             (PROJECT / "docs" / path.relative_to(docs)).read_text("utf-8"))
        for folder in ("studies", "models", "bench"):
            drawn = self.texts(docs / folder)
            self.assertEqual(drawn, self.texts(PROJECT / "docs" / folder), folder)
            self.assertTrue(all(drawn.values()))

    def test_a_page_without_a_place_for_a_chart_is_an_error(self):
        shutil.copytree(PROJECT / "docs", self.root / "docs")
        (self.root / "docs/models.md").write_text("# Models\n", "utf-8")
        self.assertRaisesRegex(CannotRun, "0 places for charts of models", page.redraw_charts,
                               self.root / "docs")

    def test_the_readme_has_each_file(self):
        folder = PROJECT / "scripts/studies"
        text = (folder / "README.md").read_text("utf-8")
        named = set(re.findall(r"^\| `([^`]+\.py)`", text, re.M))
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}
        self.assertEqual(named, there)


class Records(ScriptTest):
    def setUp(self):
        super().setUp()
        self.store = records.Store(self.root, IDENTITY)
        self.ran = []

    def run_them(self, cases, repeats=1, store=None, failing=()):
        def runner(case):
            self.ran.append(case.name)
            if case.name in failing:
                raise CaseFailed("it failed")
            return results()
        with contextlib.redirect_stderr(io.StringIO()):
            return run_cases(cases, repeats, store or self.store, runner)

    def test_what_was_measured_is_not_measured_again(self):
        first, second = case_of("1|1|sys|r1r1s1|none"), case_of("2|2|sys|r1r1s1|none")
        self.run_them([first])
        self.run_them([first, second], 2)
        self.assertEqual(self.ran, [first.name, second.name, first.name, second.name])

    def test_other_parameters_commits_or_machines_are_measured_anew(self):
        self.run_them([case_of()])
        self.run_them([case_of(rate=6000)])
        self.run_them([case_of()], store=records.Store(self.root, {**IDENTITY, "commit": "other"}))
        self.assertEqual(len(self.ran), 3)

    def test_a_failure_is_tried_again_and_does_not_end_the_others(self):
        bad, good = case_of("1|1|sys|r1r1s1|none"), case_of("2|2|sys|r1r1s1|none")
        found = self.run_them([bad, good], failing=[bad.name])
        self.assertEqual([record.status for record in found], [records.FAILED, records.DONE])
        self.assertEqual(found[0].reason, "it failed")
        self.run_them([bad, good])
        self.assertEqual(self.ran, [bad.name, good.name, bad.name])

    def test_a_skipped_case_is_recorded_with_its_reason(self):
        [record] = self.run_them([case_of(skip="no right")])
        self.assertEqual((record.status, record.reason), (records.SKIPPED, "no right"))
        self.assertEqual(self.ran, [])

    def test_forgotten(self):
        self.run_them([case_of()])
        self.store.forget([rows.EXPERIMENT])
        self.run_them([case_of()])
        self.assertEqual(len(self.ran), 2)

    def test_half_a_file_is_no_record(self):
        self.run_them([case_of()])
        [path] = self.root.glob("*/*/*.json")
        path.rename(path.with_name(path.name + ".part"))
        self.run_them([case_of()])
        self.assertEqual(len(self.ran), 2)

    def test_the_page_shows_the_newest_of_one_kind(self):
        self.run_them([case_of(), case_of("2|2|sys|r1r1s1|none")])
        self.run_them([case_of(rate=6000)])
        found = records.newest(self.root, rows.EXPERIMENT)
        self.assertEqual([record.parameters["load"]["rate"] for record in found], [6000])
        self.assertEqual(records.newest(self.root, "nothing"), [])

    def test_one_study_writes_at_a_time(self):
        output = records.Output(self.root)
        self.addCleanup(output.close)
        self.assertRaises(CannotRun, records.Output, self.root)

    def test_a_page_without_records(self):
        self.assertRaises(CannotRun, page.write_page, self.root, self.root)


class TimeLeft(unittest.TestCase):
    def test_minutes(self):
        self.assertEqual([minutes(-1), minutes(61), minutes(3725)], ["0:00", "1:01", "1:02:05"])


if __name__ == "__main__":
    unittest.main()
