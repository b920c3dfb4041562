#!/usr/bin/python3 -B
"""Tests of the observations' verdicts on hand-made figures, on both sides of each criterion."""

import itertools
import sys
import unittest

from made_up import IDENTITY
from script_test import PROJECT

sys.path.insert(0, str(PROJECT / "scripts"))

from studies import blast, records
from studies.blast import Load
from studies.cases import Case
from studies.errors import CaseFailed
from studies.observations import EXPERIMENTS, burst, endurance, isolation, on_demand, overload
from studies.observations import real_time, socket_buffer, worker_queue
from studies.observations.experiment import MOST_GROWTH_KIB, SLOTS, Experiment
from studies.verdict import CONFIRMED, NO_LONGER, NOT_CONFIRMED, NOT_MEASURED

BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}


def results(answers_per_s=1000.0, sent=10_000, right=None, sent_per_s=1000.0, p99_us=100,
            short_p99_us=100, places=None, dropped=0, received=10_000, grown_kib=0, threads=(4, 4),
            descriptors=(8, 8), cpu_s=1.0, achieved=1.0, kept=None, lag_us=1000, **more):
    """The results of a run; by default all messages were answered."""
    places = places if places is not None else {"server_kernel": dropped} if dropped else {}
    right = sent - sum(places.values()) if right is None else right
    p99_ns = None if p99_us is None else 1000 * p99_us
    latency = {"count": 1, **dict.fromkeys(("p50", "p99", "p999", "max"), p99_ns)}
    short = {"name": "short", "latency_ns": {"count": 1, "p50": 0, "p99": 1000 * short_p99_us}}
    ends = {f"{name}_{end}": value
            for name, values in (("threads", threads), ("descriptors", descriptors))
            for end, value in zip(("least", "most"), values)}
    return {"udpblast": {"messages_per_s": answers_per_s, "sent": sent, "right": right, "busy": 0,
                         "sent_per_s": sent_per_s, "elapsed_s": 1, "latency_ns": latency,
                         "classes": [short],
                         "schedule": {"kept": achieved == 1 if kept is None else kept,
                                      "achieved_ratio": achieved,
                                      "lag_ns": {"p99": 1000 * lag_us}},
                         "loss": {"total": sent - right, "unexplained": 0, **places}},
            "getstat": {"ledger": {"received": received, "kernel_dropped": dropped},
                        "stages": []},
            "resources": {"first": {"resident_kib": 1000}, "settled": {"resident_kib": 1000},
                          "last": {"resident_kib": 1000 + grown_kib,
                                   "max_resident_kib": 1000 + grown_kib},
                          "cpu_s": cpu_s, **ends}, **more}


def record_of(name, found=None, repeat=1, **labels):
    """A record that is done, or FAILED if `found` is the reason."""
    case = Case("e", name, Load(), server_cpus=(1,), client_cpus=(0,),
                labels={"quick": False, **labels})
    if isinstance(found, str):
        return records.new_record(case, repeat, IDENTITY, records.FAILED, reason=found)
    return records.new_record(case, repeat, IDENTITY, records.DONE, results=found or results())


def verdict_of(experiment, found):
    """`found`: the results of each case, or a list of the results of its repeats."""
    known = [record_of(name, each, repeat) for name, repeats in found.items()
             for repeat, each in enumerate(repeats if isinstance(repeats, list) else [repeats], 1)]
    study = BY_NAME[experiment].study()
    verdict = study.observation.verdict(known)
    assert verdict.outcome in study.report(known).text.lower()
    return verdict.outcome


class Verdicts(unittest.TestCase):
    def worker_queue(self, throughput, latency):
        found = {}
        for kind in itertools.product(worker_queue.WORKERS, worker_queue.LOADS):
            found[worker_queue.closed_name(*kind, "long")] = results(answers_per_s=1000)
            found[worker_queue.closed_name(*kind, "short")] = results(answers_per_s=2000)
            found[worker_queue.open_name(*kind, "long")] = results(p99_us=1000)
            found[worker_queue.open_name(*kind, "short")] = results(p99_us=500)
        found[worker_queue.closed_name(4, "work", "short")] = results(answers_per_s=throughput)
        found[worker_queue.open_name(2, "echo", "short")] = results(p99_us=latency)
        return verdict_of("worker-queue", found)

    def test_worker_queue_holds_for_each_kind(self):
        self.assertEqual(self.worker_queue(950, 1050), CONFIRMED)
        self.assertEqual(self.worker_queue(949, 1050), NOT_CONFIRMED)
        self.assertEqual(self.worker_queue(950, 1051), NOT_CONFIRMED)

    def on_demand(self, none, few, many):
        return verdict_of("on-demand", {
            on_demand.name_of(threads): results(answers_per_s=answers, sent_per_s=2000)
            for threads, answers in ((0, none), (2, none), (8, few), (64, many))})

    def test_on_demand_threads(self):
        self.assertEqual(self.on_demand(1000, 1101, 1200), CONFIRMED)
        self.assertEqual(self.on_demand(1000, 1099, 1100), NOT_CONFIRMED)
        self.assertEqual(self.on_demand(1000, 1101, 1300), NOT_CONFIRMED)
        self.assertEqual(self.on_demand(1901, 1990, 1990), NO_LONGER)

    def test_endurance(self):
        def outcome(**bad):
            return verdict_of("endurance", {endurance.PLAIN: results(),
                                            endurance.RAISED: results(**bad)})
        most = endurance.MOST_GROWTH_KIB
        self.assertEqual(outcome(grown_kib=most), CONFIRMED)
        for bad in ({"grown_kib": most + 1}, {"places": {"to_client": 1}},
                    {"threads": (4, 5)}, {"descriptors": (8, 9)}):
            self.assertEqual(outcome(**bad), NOT_CONFIRMED, bad)

    def test_endurance_without_the_right_to_raise_priority(self):
        self.assertEqual(verdict_of("endurance", {endurance.PLAIN: results()}), CONFIRMED)

    def futex(self, shared):
        return verdict_of("futex", {
            "private": [results(answers_per_s=1000)] * len(shared),
            "shared": [results(answers_per_s=answers) for answers in shared]})

    def test_futex(self):
        self.assertEqual(self.futex([970, 975, 978, 979, 979]), CONFIRMED)
        self.assertEqual(self.futex([981, 981, 982, 983, 984]), NO_LONGER)
        self.assertEqual(self.futex([900, 910, 950, 1010, 1100]), NO_LONGER)  # 1 is inside
        self.assertEqual(self.futex([1021, 1021, 1022, 1023, 1024]), NOT_CONFIRMED)
        self.assertEqual(self.futex([900]), NOT_MEASURED)

    def real_time(self, received, sent_per_s=1500):
        return verdict_of("real-time", {
            real_time.CAPACITY: results(answers_per_s=1000),
            real_time.PLAIN: results(received=5000, dropped=5000, sent_per_s=1500),
            real_time.REAL_TIME: results(received=received, dropped=5000, sent_per_s=sent_per_s)})

    def test_real_time(self):
        self.assertEqual([self.real_time(received) for received in (5251, 5249, 4751, 4749)],
                         [CONFIRMED, NO_LONGER, NO_LONGER, NOT_CONFIRMED])
        self.assertEqual([self.real_time(5251, sent_per_s) for sent_per_s in (1100, 1099)],
                         [CONFIRMED, NOT_MEASURED])

    def socket_buffer(self, small_dropped, large_dropped):
        return verdict_of("socket-buffer", {
            socket_buffer.held_name("64KiB"): results(held=900),
            socket_buffer.name_of("64KiB", 100): results(sent=10_000, dropped=small_dropped),
            socket_buffer.name_of("64KiB", 1000): results(sent=10_000, dropped=large_dropped)})

    def test_socket_buffer(self):
        self.assertEqual(self.socket_buffer(0, 1000), CONFIRMED)
        self.assertEqual(self.socket_buffer(1, 1000), NOT_CONFIRMED)
        self.assertEqual(self.socket_buffer(0, 1001), NOT_CONFIRMED)

    def burst(self, of_slots=None, of_more=None):
        return verdict_of("burst", {
            burst.HOLDS: results(sent=40_000, dropped=25_000),
            burst.OF_SLOTS: of_slots or results(sent=SLOTS),
            burst.OF_MORE: [results(sent=16_000, dropped=1000),
                            of_more or results(sent=16_000, dropped=1000)]})

    def test_burst(self):
        self.assertEqual(self.burst(), CONFIRMED)
        self.assertEqual(self.burst(of_slots=results(sent=SLOTS, dropped=1)), NOT_CONFIRMED)
        lost_elsewhere = results(sent=16_000, dropped=1000,
                                 places={"server_kernel": 999, "to_client": 1})
        self.assertEqual(self.burst(of_more=lost_elsewhere), NOT_CONFIRMED)
        lost_uncounted = results(sent=16_000, dropped=1000, places={"server_kernel": 1001})
        self.assertEqual(self.burst(of_more=lost_uncounted), NOT_CONFIRMED)

    def overload(self, goodput=0.9, block=0.1, after=None, grown_kib=MOST_GROWTH_KIB,
                 step_goodput=0.8, step_achieved=1.0):
        found = {}
        for kind in overload.KINDS:
            found[overload.overload_name(kind)] = results(
                goodput=block if kind == "block" else 1, places={"shed": 5000})
            found[overload.step_name(kind)] = results(
                step=results(achieved=step_achieved)["udpblast"],
                step_goodput=block if kind == "block" else step_goodput, **(after or {}))
        found[overload.overload_name(overload.SHED[-1])] = results(goodput=goodput,
                                                                   grown_kib=grown_kib)
        return verdict_of("overload", found)

    def test_overload(self):
        self.assertEqual(self.overload(), CONFIRMED)
        self.assertEqual(self.overload(goodput=0.899), NOT_CONFIRMED)
        self.assertEqual(self.overload(grown_kib=MOST_GROWTH_KIB + 1), NOT_CONFIRMED)
        self.assertEqual(self.overload(after={"places": {"shed": 1}}), NOT_CONFIRMED)
        self.assertEqual(self.overload(step_goodput=0.799), NOT_CONFIRMED)

    def test_overload_without_the_overload(self):
        self.assertEqual(self.overload(step_achieved=0.9), NOT_MEASURED)

    def isolation(self, with_workers, without):
        servers, loads = isolation.SERVERS, isolation.LOADS
        p99 = [with_workers, 100, without, 100]
        return verdict_of("isolation", {
            isolation.name_of(*kind): results(short_p99_us=value)
            for kind, value in zip(itertools.product(servers, loads), p99)})

    def test_isolation_needs_both_sides(self):
        self.assertEqual(self.isolation(300, 301), CONFIRMED)
        self.assertEqual(self.isolation(301, 1000), NOT_CONFIRMED)
        self.assertEqual(self.isolation(100, 300), NOT_CONFIRMED)

    def readers(self, cpu_s):
        without = [0.98, 0.99, 1.00, 1.01, 1.02]  # quartiles are 0.02 apart
        return verdict_of("readers", {"no reader": [results(cpu_s=each) for each in without],
                                      "many readers": [results(cpu_s=cpu_s * each)
                                                       for each in without]})

    def test_readers(self):
        self.assertEqual([self.readers(cpu_s) for cpu_s in (1.019, 0.981, 1.021, 0.979)],
                         [CONFIRMED, CONFIRMED, NOT_CONFIRMED, NOT_CONFIRMED])


class WithoutFigures(unittest.TestCase):
    def test_a_failed_case_leaves_no_verdict(self):
        for experiment in BY_NAME:
            self.assertEqual(verdict_of(experiment, {"any": "it failed\nlog"}), NOT_MEASURED)
        good = {endurance.PLAIN: [results(), "the ledger does not balance"]}
        self.assertEqual(verdict_of("endurance", good), NOT_MEASURED)

    def test_a_figure_that_is_missing_leaves_no_verdict(self):
        for experiment in BY_NAME:
            self.assertEqual(verdict_of(experiment, {"any": results()}), NOT_MEASURED, experiment)

    def test_without_an_answer_there_is_no_latency_and_no_verdict(self):
        self.assertEqual(Verdicts().worker_queue(950, None), NOT_MEASURED)

    def test_a_load_that_was_not_sent_leaves_no_verdict(self):
        def outcome(*achieved):
            return verdict_of("endurance", {endurance.PLAIN: [results(achieved=each)
                                                              for each in achieved]})
        self.assertEqual([outcome(0.99), outcome(0.98), outcome(0.98, 1, 1), outcome(0.9, 0.9, 1)],
                         [CONFIRMED, NOT_MEASURED, CONFIRMED, NOT_MEASURED])
        self.assertEqual({experiment.name for experiment in EXPERIMENTS if not experiment.at_rate},
                         {"futex", "real-time", "socket-buffer", "burst", "readers"})

    def test_a_client_that_was_late_itself_leaves_no_verdict_on_latency(self):
        def outcome(**late):
            p99 = {"short_p99_us": 100, "p99_us": 1000}
            return verdict_of("isolation", {
                isolation.name_of(*kind): results(**{"kept": False, **p99, **late})
                for kind in itertools.product(isolation.SERVERS, isolation.LOADS)})
        self.assertEqual([outcome(lag_us=250), outcome(lag_us=251), outcome(lag_us=251, kept=True)],
                         [NOT_CONFIRMED, NOT_MEASURED, NOT_CONFIRMED])
        self.assertEqual({experiment.name for experiment in EXPERIMENTS if experiment.on_time},
                         {"isolation", "worker-queue"})

    def test_why_is_said(self):
        skipped = records.new_record(Case("e", burst.HOLDS, Load(), labels={}), 1, IDENTITY,
                                     records.SKIPPED, reason="no right")
        verdict = BY_NAME["burst"].study().observation.verdict([skipped])
        self.assertEqual(verdict.outcome, NOT_MEASURED)
        self.assertIn("no right", verdict.figure)


class Explained(unittest.TestCase):
    def test_lost_messages_have_to_be(self):
        report = results(places={"shed": 5})["udpblast"]
        blast.demand_explained(report)
        for unexplained in (1, -1):
            report["loss"]["unexplained"] = unexplained
            self.assertRaises(CaseFailed, blast.demand_explained, report)
        report.update(loss=None, loss_notes=["no region"])
        self.assertRaisesRegex(CaseFailed, "no region", blast.demand_explained, report)


class Experiments(unittest.TestCase):
    def test_each_says_what_it_tests(self):
        self.assertEqual(len(BY_NAME), 10)
        for experiment in BY_NAME.values():
            self.assertIsInstance(experiment, Experiment)
            self.assertTrue(experiment.observation.endswith("."), experiment.name)
            self.assertTrue(experiment.criterion and experiment.about, experiment.name)


if __name__ == "__main__":
    unittest.main()
