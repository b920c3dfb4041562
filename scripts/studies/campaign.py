"""Runs cases: those that have a record are not run again, each other one leaves one."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from studies import blast, interruption
from studies.cases import Case
from studies.errors import CaseFailed
from studies.programs import Programs
from studies.progress import Progress
from studies.records import DONE, FAILED, SKIPPED, Record, Store, new_record, result_of
from studies.server import Server

OVERHEAD_S = 3  # of a case: start, grace of the client, end

Runner = Callable[[Case], dict]  # runs a case and returns its results, or raises CaseFailed


def one_load(programs: Programs, scratch: Path) -> Runner:
    """The usual runner: a server for the case alone, one load, an end in good order."""
    def run(case: Case) -> dict:
        with Server(programs, case.settings, case.server_cpus, scratch) as server:
            report = blast.run(programs, case.load, server, case.client_cpus)
            return {"udpblast": report, **end_in_good_order(server)}
    return run


def end_in_good_order(server: Server) -> dict:
    """Ends the server and checks its ledger. The counters are read while the server is still up,
    before the waits for its end are booked, and once more after the end, when they are final."""
    live = server.stats()
    ended = server.stop()
    return {"getstat_live": live, "getstat": server.stats(), "server": ended,
            "verify": server.check_ledger()}


def run_case(case: Case, repeat: int, identity: dict, runner: Runner) -> Record:
    if case.skip:
        return new_record(case, repeat, identity, SKIPPED, reason=case.skip)
    begin = time.monotonic()
    try:
        results = runner(case)
    except CaseFailed as failure:
        return new_record(case, repeat, identity, FAILED, reason=str(failure),
                          took_s=time.monotonic() - begin)
    return new_record(case, repeat, identity, DONE, results=results,
                      took_s=time.monotonic() - begin)


def medians(records: Sequence[Record], figure: Callable[[dict], float]) -> dict[str, float]:
    """Of what was measured of each case, by its name."""
    found: dict[str, list[float]] = {}
    for record in records:
        if record.status == DONE:
            found.setdefault(record.name, []).append(figure(record.results))
    return {name: statistics.median(values) for name, values in found.items()}


def run_cases(cases: Sequence[Case], repeats: int, store: Store, runner: Runner,
              overhead_s: float = OVERHEAD_S) -> list[Record]:
    """Runs what has no record yet, the repeats interleaved: slow changes of the machine meet all
    cases alike. Returns all records."""
    todo = [(case, repeat) for repeat in range(1, repeats + 1) for case in cases]
    records = {(record.name, record.repeat): record for record in store.find_all(cases, repeats)}
    left = [case for case, repeat in todo
            if (case.name, repeat) not in records and not case.skip]
    progress = Progress(len(left), sum(case.load.expected_s() + overhead_s for case in left))
    if records:
        progress.note(f"kept from an earlier run: {len(records)} of {len(todo)}")
    for case, repeat in todo:
        if (case.name, repeat) in records:
            continue
        interruption.check()
        label = case.name if repeats == 1 else f"{case.name} #{repeat}"
        if not case.skip:
            progress.begin(label)
        record = run_case(case, repeat, store.identity, runner)
        store.save(record, case)
        records[case.name, repeat] = record
        if record.status == SKIPPED:
            progress.note(f"{label}: skipped: {record.reason}")
        else:
            progress.end(label, result_of(record))
    return [records[case.name, repeat] for case, repeat in todo]
