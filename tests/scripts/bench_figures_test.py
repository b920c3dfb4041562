#!/usr/bin/python3 -B
"""Tests of the bench's formulas on hand-made data."""

import sys
import unittest

from script_test import PROJECT

sys.path.insert(0, str(PROJECT / "scripts"))

from studies import bench, bench_report
from studies.records import DONE, FAILED, Record


def record(traffic, server, repeat, status=DONE, **figures):
    return Record(bench.EXPERIMENT, f"{traffic}: {server}", repeat,
                  {"labels": {"traffic": traffic, "server": server}}, {}, status, results=figures)


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

    def test_each_record_gets_its_share_of_the_traffics_first_floor(self):
        records = bench_report.with_ratios([plain(bench.MMSG, 1, 4.0), plain(bench.CPSSD, 1, 3.0),
                                     record("lookup", bench.CPSSD, 1, cpu_us=1.0)])
        self.assertEqual([r.results.get("ratio") for r in records], [1.0, 0.75, None])

    def test_a_target_without_another_side_is_the_figure_itself(self):
        target = next(target for target in bench_report.TARGETS if target.name == "article")
        records = [record("article", bench.CPSSD, 1, messages_per_s=5.0)]
        self.assertEqual(bench_report.values_of(records, target), [5.0])


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
