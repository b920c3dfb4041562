"""The one rate at which all rows are loaded: what the simplest server can do on one CPU, half as
much again, but never more than the client can send."""

import dataclasses
from pathlib import Path

from studies import blast, search
from studies.blast import Load
from studies.campaign import Runner
from studies.cases import Case
from studies.errors import CaseFailed
from studies.programs import Programs
from studies.server import Server

EXPERIMENT = "rate"
OVERLOAD = 1.5
OUTSTANDING = 1000


@dataclasses.dataclass(frozen=True)
class Effort:
    """How long the measurement takes."""

    count: int  # messages of the closed loop
    probe_s: float
    probes: int  # at most


FULL = Effort(500_000, 2, 12)
QUICK = Effort(10_000, 0.2, 4)


def case_for(base: Case, effort: Effort) -> Case:
    """The measurement as a case, on the server of `base`. What is measured depends on the base's
    service and size, not on its count or rate."""
    load = dataclasses.replace(base.load, count=effort.count, outstanding=OUTSTANDING, rate=None,
                               timeout_s=1)
    labels = {"quick": base.labels["quick"], "effort": dataclasses.asdict(effort)}
    return dataclasses.replace(base, experiment=EXPERIMENT, name=f"rate of {base.labels['key']}",
                               load=load, series=load.service, labels=labels)


def runner(programs: Programs, scratch: Path, effort: Effort) -> Runner:
    """Results: `capacity`, `client_most`, `rate`, and every probe."""
    def run(case: Case) -> dict:
        with Server(programs, case.settings, case.server_cpus, scratch) as server:
            def send(load: Load) -> dict:
                return blast.run(programs, load, server, case.client_cpus)

            capacity = send(case.load)["messages_per_s"]
            if not capacity:
                raise CaseFailed("the server answered nothing")
            probes: list[dict] = []

            def keeps(rate: float) -> bool:
                load = dataclasses.replace(case.load, rate=round(rate), outstanding=None,
                                           count=max(1000, round(rate * effort.probe_s)))
                report = send(load)
                probes.append({"rate": round(rate), "sent_per_s": report["sent_per_s"],
                               "schedule": report["schedule"]})
                return report["schedule"]["kept"]

            kept, missed = search.highest(keeps, capacity, effort.probes)
            server.stop()
            server.check_ledger()
        client_most = kept or missed  # where it kept none, the lowest that was tried
        return {"capacity": round(capacity), "client_most": round(client_most),
                "rate": round(min(OVERLOAD * capacity, client_most)), "probes": probes}
    return run

