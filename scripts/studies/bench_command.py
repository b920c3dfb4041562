"""The command line of the bench, and how one of its cases is run."""

import argparse
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from studies import bench, bench_report, blast, processes
from studies.bench import FLOORS, INSTRUCTIONS, UNCOUNTED
from studies.campaign import end_in_good_order, run_cases
from studies.cases import Case
from studies.command import (Parser, add_common_options, add_page_options, identity_of, measuring,
                             names_of, output_folder, positive, print_list, programs_of, publish,
                             run, write_newest)
from studies.errors import EXIT_DONE, CannotRun, CaseFailed
from studies.instructions import instructions_per_message
from studies.programs import PROJECT, Programs, build_uncounted
from studies.records import Store
from studies.resources import machine_idle_s, usage
from studies.server import Server

SECONDS, QUICK_SECONDS = 1.5, 0.2
ROUNDS, QUICK_ROUNDS = 10, 1
NUMBERS, QUICK_NUMBERS = 300_000, 10_000  # queries


def _options(description: str) -> argparse.Namespace:
    parser = Parser(description)
    add_common_options(parser)
    names = [*(traffic.name for traffic in bench.traffics(None)), INSTRUCTIONS]
    parser.add_argument("--only", type=names_of("traffic", names), default=names,
                        metavar="TRAFFIC[,..]", help="only these: " + ", ".join(names))
    parser.add_argument("--repeat", type=positive, metavar="N", help=f"rounds ({ROUNDS})")
    add_page_options(parser, "docs/bench/")
    return parser.parse_args()


def main(description: str) -> int:
    options = _options(description)
    return run(lambda: _body(options))


def _body(options: argparse.Namespace) -> int:
    if options.page:
        return write_newest(bench_report.STUDY, options)
    programs = programs_of(options)
    if not programs.floor.is_file():
        raise CannotRun(f"{programs.floor} is missing: cmake --build --preset release")
    folder = output_folder(options)
    wanted = [traffic for traffic in bench.traffics(None) if traffic.name in options.only]
    numbers, why_no_numbers = None, "the numbers are not made yet"
    if any(traffic.needs_numbers for traffic in wanted):
        numbers, why_no_numbers = _numbers(folder, options)
    # A folder given is taken as it is: without a build of our own.
    uncounted, why_no_uncounted = None, "needs a build of its own"
    if any(UNCOUNTED in traffic.servers for traffic in wanted) and not options.build:
        why_no_uncounted = ""
        if not options.list:
            print("building a server that counts nothing, once", flush=True)
            uncounted = build_uncounted()
    cases = _cases(options, bench.traffics(numbers), why_no_numbers, why_no_uncounted)
    store = Store(folder / "records", identity_of(programs))
    if options.list:
        for rounds, some in sorted(cases.items()):
            print_list(some, store, rounds)
        return EXIT_DONE
    with measuring(options, folder, store, [bench.EXPERIMENT]) as output:
        runner = _Runner(programs, uncounted, output.scratch)
        records = [record for rounds, some in sorted(cases.items())
                   for record in run_cases(some, rounds, store, runner)]
        return publish(bench_report.STUDY, records, output, options.quick)


def _cases(options: argparse.Namespace, traffics: list[bench.Traffic], why_no_numbers: str,
           why_no_uncounted: str) -> dict[int, list[Case]]:
    """By how many rounds they get."""
    seconds = QUICK_SECONDS if options.quick else SECONDS
    rounds = options.repeat or (QUICK_ROUNDS if options.quick else ROUNDS)
    cases: dict[int, list[Case]] = {}
    for traffic in traffics:
        if traffic.name in options.only:
            cases.setdefault(traffic.more_rounds * rounds, []).extend(
                bench.cases_of(traffic, seconds, options.quick, why_no_numbers, why_no_uncounted))
    if INSTRUCTIONS in options.only:  # it is the same each time
        cases.setdefault(1, []).extend(bench.instruction_cases(seconds, options.quick))
    return cases


def _numbers(folder: Path, options: argparse.Namespace) -> tuple[Path | None, str]:
    """A folder with real numbers and queries for them, made once; or why there is none."""
    data = folder / "numbers"
    if (data / "queries.tsv").is_file():
        return data, ""
    if options.list:
        return None, "the numbers are not made yet"
    queries = QUICK_NUMBERS if options.quick else NUMBERS
    print(f"making {queries:,} queries for real numbers, once", flush=True)
    made = subprocess.run([PROJECT / "scripts/import-numbers", "--out-dir", data, "--count",
                           str(queries)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return None, f"no numbers: {made.stderr.strip() or f'exit code {made.returncode}'}"
    return data, ""


class _Floor:
    """A bare loop, as the studies' servers are: started, measured, ended."""

    region = None  # it has no counters

    def __init__(self, program: Path, kind: str, cpus):
        self._child = processes.start([program, kind], cpus, subprocess.PIPE, subprocess.DEVNULL)
        self.pid = self._child.pid
        line = self._child.stdout.readline()
        if not line:
            raise CaseFailed(f"floor {kind} did not start")
        self.port = int(line)

    def calls_per_reply(self) -> dict[str, float]:
        """Ends it: only then does it tell."""
        while processes.reap(self._child, 0.1) is None:
            processes.send(self._child, signal.SIGTERM)
        counts = json.loads(self._child.stdout.read())
        return {"calls": counts["calls"] / max(1, counts["answered"]), "futex_calls": 0.0}

    def __enter__(self) -> "_Floor":
        return self

    def __exit__(self, *_) -> None:
        processes.end_now(self._child)
        self._child.stdout.close()


def _calls(stats: dict) -> tuple[int, int, int]:
    """Datagrams received, system calls, futex calls among them."""
    stages = stats["stages"]
    futex = sum(stage["sem_waits"] + stage["futex_wakes"] for stage in stages)
    return (stats["ledger"]["received"], futex + sum(stage["syscalls"] for stage in stages), futex)


class _Runner:
    def __init__(self, programs: Programs, uncounted: Path | None, scratch: Path):
        self._programs = programs
        self._uncounted = uncounted
        self._scratch = scratch

    def __call__(self, case: Case) -> dict:
        if case.labels["traffic"] == INSTRUCTIONS:
            return {INSTRUCTIONS: instructions_per_message(self._programs.instructions,
                                                           case.labels["server"])}
        kind = FLOORS.get(case.labels["server"])
        if kind:
            with _Floor(self._programs.floor, kind, case.server_cpus) as server:
                results = self._measure(case, server)
                return {**results, **server.calls_per_reply()}
        if case.labels["server"] == UNCOUNTED:
            with Server(self._programs, case.settings, case.server_cpus, self._scratch,
                        self._uncounted) as server:
                return self._measure(case, server)
        with Server(self._programs, case.settings, case.server_cpus, self._scratch) as server:
            before = []
            results = self._measure(case, server, lambda: before.append(server.stats()))
            received, calls, futex = (after - earlier for after, earlier in
                                      zip(_calls(server.stats()), _calls(before[0])))
            end_in_good_order(server)
            return {**results, "calls": calls / received, "futex_calls": futex / received}

    def _measure(self, case: Case, server, after_warm_up=lambda: None) -> dict:
        self._blast(case, blast.warm_up(case.load), server)
        after_warm_up()
        before = usage(server.pid)
        begin_s, idle_before_s = time.monotonic(), machine_idle_s()
        report = self._blast(case, case.load, server)
        elapsed_s, idle_s = time.monotonic() - begin_s, machine_idle_s() - idle_before_s
        after = usage(server.pid)
        replies = report["right"]
        cpu_us = 1e6 * (after.cpu_s - before.cpu_s)
        busy_s = elapsed_s * os.cpu_count() - idle_s
        return {"messages_per_s": report["messages_per_s"], "replies": replies,
                "cpu_us": cpu_us / replies, "machine_us": 1e6 * busy_s / replies,
                "switches": (after.switches - before.switches) / replies,
                "busy_percent": cpu_us / 1e4 / report["elapsed_s"],
                "p50_us": report["latency_ns"]["p50"] / 1000,
                "p99_us": report["latency_ns"]["p99"] / 1000}

    def _blast(self, case: Case, load, server) -> dict:
        report = blast.run(self._programs, load, server, case.client_cpus)
        if report["right"] != report["sent"]:
            raise CaseFailed(f"{report['sent'] - report['right']} of {report['sent']} messages "
                             "were not answered; where sockets may hold little they are lost there "
                             "(net.core.rmem_max)")
        return report
