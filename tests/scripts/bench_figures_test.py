#!/usr/bin/python3 -B
"""Tests of the bench's formulas on hand-made data."""

import sys
import unittest

from made_up import IDENTITY
from script_test import PROJECT

sys.path.insert(0, str(PROJECT / "scripts"))

from studies import bench, bench_report
from studies.records import DONE, FAILED, Record


def record(traffic, server, repeat, status=DONE, **figures):
    return Record(bench.EXPERIMENT, f"{traffic}: {server}", repeat,
                  {"labels": {"traffic": traffic, "server": server}}, IDENTITY, status,
                  results={"calls": 1, "futex_calls": 0, "messages_per_s": 1, "p50_us": 1,
                           **figures})


def plain(server, repeat, cpu_us, **more):
    return record("plain", server, repeat, cpu_us=cpu_us, **more)


class Ratios(unittest.TestCase):
    TARGET = bench_report.TARGETS[0]

    def test_are_of_the_same_round_and_only_where_both_were_measured(self):
        records = [plain(bench.MMSG, 1, 4.0), plain(bench.CPSSD, 1, 2.0),
                   plain(bench.MMSG, 2, 3.0),
                   plain(bench.CPSSD, 3, 5.0), plain(bench.MMSG, 3, 10.0),
                   record("plain", bench.CPSSD, 2, FAILED)]
        self.assertEqual(bench_report.values_of(records, self.TARGET), [0.5, 0.5])

    def test_each_record_gets_its_share_of_the_traffics_base(self):
        records = bench_report.with_ratios([
            plain(bench.MMSG, 1, 4.0), plain(bench.CPSSD, 1, 3.0),
            record("lookup", bench.CPSSD, 1, cpu_us=1.0),
            record("lookup", bench.CPSSD, 2, cpu_us=1.0),
            record("segments", bench.CPSSD, 2, cpu_us=0.5),
            record("article", bench.CPSSD, 1, cpu_us=1.0)])
        self.assertEqual([r.results.get("ratio") for r in records],
                         [1.0, 0.75, None, 2.0, None, None])

    def test_a_target_without_another_side_is_the_figure_itself(self):
        target = next(target for target in bench_report.TARGETS if target.name == "article")
        records = [record("article", bench.CPSSD, 1, messages_per_s=5.0)]
        self.assertEqual(bench_report.values_of(records, target), [5.0])


class Chart(unittest.TestCase):
    @staticmethod
    def chart(*records):
        [chart] = bench_report.STUDY.charts(bench_report.report(records).table.lines())
        return chart

    def test_a_panel_for_each_traffic_with_what_is_asked(self):
        chart = self.chart(
            plain(bench.MMSG, 1, 4.0), plain(bench.CPSSD, 1, 3.0), plain("cpssd, queued", 1, 8.0),
            *(record("segments", server, 1, cpu_us=cpu_us) for server, cpu_us in
              ((bench.MMSG, 4.0), (bench.OFFLOAD, 0.4), (bench.CPSSD, 0.2))))
        one, two = chart.panels
        self.assertEqual({name: {row: dot.value for row, dot in dots.items()}
                          for name, dots in one.series.items()},
                         {"bare loop": {"recvmmsg, sendmmsg": 1}, "cpssd": {"cpssd": 0.75},
                          "cpssd, set otherwise": {"cpssd, queued": 2}})
        self.assertEqual(one.marks, {"asked": 0.75, "beyond": 0.6})
        self.assertEqual(two.marks, {"asked": 0.1, "beyond": 0.07,
                                     "asked, to the loop with offload": 0.2})
        self.assertEqual(chart.title, "A reply costs cpssd 0.75 times a bare loop's CPU time with "
                                      "plain datagrams, 0.05 times in packets of 32")

    def test_of_a_ping_it_has_the_round_trip(self):
        chart = self.chart(*(record("ping", server, 1, cpu_us=9.0, p50_us=p50_us) for server, p50_us
                             in ((bench.BLOCKING, 50.0), (bench.CPSSD, 20.0))))
        self.assertEqual(chart.panels[0].series["cpssd"]["cpssd"].value, 0.4)
        self.assertEqual(chart.panels[0].marks, {"asked": 1.05, "beyond": 0.6})

    def test_without_a_base_there_is_none(self):
        lines = bench_report.report([plain(bench.CPSSD, 1, 3.0)]).table.lines()
        self.assertEqual(bench_report.STUDY.charts(lines), [])


class Verdict(unittest.TestCase):
    COST = bench_report.Target("", "", "", "", 0.75)
    RATE = bench_report.Target("", "", "", "", 1.0, at_least=True, within_spread=True)

    def test_is_of_the_median(self):
        self.assertEqual(bench_report.verdict([0.7] * 5 + [0.8] * 5, self.COST), "reached")
        self.assertEqual(bench_report.verdict([0.7] * 4 + [0.8] * 6, self.COST), "NOT reached")

    def test_or_of_its_interval(self):
        self.assertEqual(bench_report.verdict([0.9] * 5 + [0.95] * 3 + [1.0] * 2, self.RATE), "reached")
        self.assertEqual(bench_report.verdict([0.9] * 5 + [0.95] * 4 + [1.1], self.RATE), "NOT reached")

    def test_needs_rounds(self):
        self.assertEqual(bench_report.verdict([0.1] * 9, self.COST), "too few rounds")


class IntervalOfTheMedian(unittest.TestCase):
    def test_of_few_values_is_all_there_is(self):
        self.assertEqual(bench_report.interval_of_median([3.0]), (3.0, 3.0))
        self.assertEqual(bench_report.interval_of_median([3.0, 1.0, 2.0]), (1.0, 3.0))
        self.assertEqual(bench_report.interval_of_median([1, 2, 3, 4, 5, 6]), (1, 6))

    def test_of_many_leaves_out_the_ends(self):
        # From tables of the sign test: ranks 2 and 9 of 10, 6 and 15 of 20.
        self.assertEqual(bench_report.interval_of_median(range(1, 11)), (2, 9))
        self.assertEqual(bench_report.interval_of_median(range(1, 21)), (6, 15))


if __name__ == "__main__":
    unittest.main()
