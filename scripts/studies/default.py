"""The default against the best of the others: workloads, candidates, and the cases made of them."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from studies import machine
from studies.blast import Load
from studies.cases import Case, unknown_settings
from studies.compare import ECHO, LOOKUP, PACKET, SERVICES, SIZE, WORK_US, work_name

EXPERIMENT = "default"
DEFAULT, BEFORE = "default", "default before"
CHOICE, FINAL, LATENCY = "choice", "final", "latency"  # the rounds of a case
PEERS = 64
TIMEOUT_S = 10.0


def _candidates() -> Iterator[tuple[str, dict[str, str]]]:
    for lanes in (1, 2):
        yield f"seda, {lanes} service", {"CPSS_MODEL": "seda", "CPSS_SERVICE_THREADS": str(lanes)}
    yield "sped", {"CPSS_MODEL": "sped"}
    for sockets in ("shared", "reuseport"):
        more = {"CPSS_STEERING": "random"} if sockets == "reuseport" else {}
        for lanes in (1, 2, 4):
            yield f"symped {sockets}, {lanes}", {"CPSS_MODEL": "symped", "CPSS_SOCKETS": sockets,
                                                 "CPSS_LANES": str(lanes), **more}
    yield "amped", {"CPSS_MODEL": "amped"}
    yield "mp prefork, 2", {"CPSS_MODEL": "mp", "CPSS_MP": "prefork", "CPSS_LANES": "2"}


CANDIDATES: Mapping[str, Mapping[str, str]] = dict(_candidates())


@dataclass(frozen=True)
class Workload:
    """A service and how it is loaded at saturation. `outstanding` messages one by one, or two
    packets for each peer."""

    service: str  # of SERVICES
    cpus: int
    packets: bool
    outstanding: int

    @property
    def name(self) -> str:
        how = f"packets of {PACKET}" if self.packets else "one by one"
        return f"{self.service}, {self.cpus} CPU{'s' if self.cpus > 1 else ''}, {how}"


def workloads() -> list[Workload]:
    """None of them blocks."""
    some = []
    for cpus in (1, 2):
        for service in (ECHO, LOOKUP, *(work_name(us) for us in WORK_US)):
            if SERVICES[service].packets:
                some.append(Workload(service, cpus, True, 2 * PACKET * PEERS))
            outstanding = 256 if service == ECHO else SERVICES[service].outstanding
            some.append(Workload(service, cpus, False, outstanding))
    return some


class CaseMaker:
    """`numbers`: the folder of numbers.csv and queries.tsv."""

    def __init__(self, known_settings: frozenset[str], seconds: float, quick: bool, numbers: Path):
        self._known = known_settings
        self._seconds = seconds
        self._quick = quick
        self._numbers = numbers
        self._allowed = machine.allowed_cpus()

    def saturated(self, workload: Workload, server: str, rounds: str) -> Case:
        more = ("--segment", str(PACKET)) if workload.packets else ()
        return self._case(workload, server, rounds,
                          self._load(workload, outstanding=workload.outstanding, more=more))

    def at_rate(self, workload: Workload, server: str, rate: int) -> Case:
        return self._case(workload, server, LATENCY, self._load(workload, rate=rate))

    def _load(self, workload: Workload, more: tuple[str, ...] = (), **how) -> Load:
        service = SERVICES[workload.service]
        given = service.more
        if service.name == "lookup":
            given += ("-d", str(self._numbers / "queries.tsv"))
        return Load(service.name, seconds=self._seconds, size=SIZE, clients=PEERS,
                    timeout_s=TIMEOUT_S, more=(*given, *more), **how)

    def _case(self, workload: Workload, server: str, rounds: str, load: Load) -> Case:
        service = SERVICES[workload.service]
        settings = {"CPSS_SOCKET_BUFFER": "4MiB", "CPSS_SERVICE": service.name, **service.settings,
                    **CANDIDATES.get(server, {})}
        if service.name == "lookup":
            settings["CPSS_NUMBERS"] = str(self._numbers / "numbers.csv")
        there = len(self._allowed)
        skip = f"only {there} CPUs allowed here" if workload.cpus > there else ""
        server_cpus, client_cpus = machine.split_cpus(min(workload.cpus, there), self._allowed)
        return Case(EXPERIMENT, f"{rounds}: {workload.name}: {server}", load,
                    f"{self._seconds:g} s", settings, server_cpus, client_cpus,
                    {**dataclasses.asdict(workload), "workload": workload.name, "server": server,
                     "rounds": rounds, "quick": self._quick, "transient": False},
                    skip or unknown_settings(settings, self._known))
