"""The highest rate of which a row answers nearly everything: measured for the base rows with few
slots, which cannot put off what they cannot answer."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studies import blast, search
from studies.campaign import Runner, one_load
from studies.cases import Case
from studies.programs import Programs
from studies.server import Server

LEAST_ANSWERED = 0.999  # of what was sent
TIMEOUT_S = 1.0
LABEL = "search"  # of the cases that are searched: how
SERVER, CLIENT = "server", "client"  # what the limit was


@dataclass(frozen=True)
class Effort:
    """How long the measurement takes."""

    probe_s: float
    probes: int  # at most


# Slots and socket buffer hold 15,000 messages: a rate that is 3 % too high, for 2 s. A probe is
# longer than that.
FULL = Effort(3, 10)
QUICK = Effort(0.2, 4)


def label_of(effort: Effort) -> dict:
    """For a case that is to be searched. It is a part of the case's record, as all that decides its
    figures is."""
    return {LABEL: {**dataclasses.asdict(effort), "answered": LEAST_ANSWERED}}


def runner(programs: Programs, scratch: Path) -> Runner:
    """Runs a case's load and, where its label says so, searches; `highest` of the results has what
    was found. The search has a server of its own, so that the counters are of the load alone."""
    once = one_load(programs, scratch)

    def run(case: Case) -> dict:
        results = once(case)
        if LABEL in case.labels:
            with Server(programs, case.settings, case.server_cpus, scratch) as server:
                def send(rate: int) -> dict:
                    load = dataclasses.replace(case.load, rate=rate, count=None,
                                               seconds=case.labels[LABEL]["probe_s"],
                                               timeout_s=TIMEOUT_S)
                    return blast.run(programs, load, server, case.client_cpus)

                results["highest"] = search_for(send, results["udpblast"]["messages_per_s"] or 1000,
                                                case.labels[LABEL]["probes"])
                server.stop()
                server.check_ledger()
        return results
    return run


def search_for(send: Callable[[int], dict], begin: float, probes: int) -> dict:
    """`send` sends at a rate and returns the report of udpblast. Results: the highest `rate` of
    which nearly all was answered (0 if there is none), what the `limit` was, and every probe. The
    client was the limit where the lowest rate that is too high was one that it could not send, or
    where no rate was too high."""
    found: dict[float, str] = {}
    tried: list[dict] = []

    def keeps(rate: float) -> bool:
        report = send(round(rate))
        tried.append({"rate": round(rate), "sent": report["sent"], "answered": report["right"],
                      "sent_per_s": report["sent_per_s"]})
        if report["right"] < LEAST_ANSWERED * report["sent"]:
            found[rate] = SERVER
        elif not blast.kept_rate(report):
            found[rate] = CLIENT
        return rate not in found

    kept, missed = search.highest(keeps, begin, probes)
    return {"rate": round(kept), "limit": found.get(missed, CLIENT), "probes": tried}
