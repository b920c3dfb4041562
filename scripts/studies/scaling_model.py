"""What the default gives on more CPUs than are here: cases that measure what things cost, and the
queueing model that is fed with it."""

import dataclasses
import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from studies import machine
from studies.blast import Load
from studies.cases import Case, unknown_settings
from studies.columns import answers_per_s
from studies.compare import ECHO, PACKET, SERVICES, SIZE, work_name
from studies.compare_figures import cpu_us
from studies.default import DEFAULT, PEERS, TIMEOUT_S, Workload
from studies.queueing import Costs, Outcome, Setup, simulate
from studies.records import DONE, Record

EXPERIMENT = "scaling-model"
BATCH = 64  # CPSS_BATCH of a server that is not told otherwise, and what udpblast takes at once
CPUS = (1, 2, 4, 8, 16, 32, 64)
# What is measured: cost by cost, and points that the model has to meet.
FULL, SINGLE, ALONE, POINT = "full passes", "one message a pass", "one message at a time", "point"
SPED, SHARED, REUSEPORT = "sped", "symped, shared", "symped, reuseport"
DESIGNS = (DEFAULT, SPED, SHARED, REUSEPORT)
_SPED = {"CPSS_MODEL": "sped"}


def workloads() -> list[Workload]:
    return [Workload(ECHO, 1, False, 256), Workload(ECHO, 1, True, 2 * PACKET * PEERS),
            Workload(work_name(1), 1, True, 2 * PACKET * PEERS),
            Workload(work_name(10), 1, False, 512)]


def name_of(workload: Workload) -> str:
    return f"{workload.service}, {f'packets of {PACKET}' if workload.packets else 'one by one'}"


def cases(known_settings: frozenset[str], seconds: float, quick: bool) -> list[Case]:
    make = _Maker(known_settings, seconds, quick)
    some = []
    for workload in workloads():
        some.append(make(workload, FULL, SPED, 1, _SPED))
        if not workload.packets:
            some.append(make(workload, SINGLE, SPED, 1, {**_SPED, "CPSS_BATCH": "1"}))
            some.append(make(workload, ALONE, SPED, 1, {**_SPED, "CPSS_SPIN_US": "0"}, 1))
        for cpus in (1, 2):
            for design, settings in ((DEFAULT, {}), (SPED, _SPED), (
                    SHARED, {"CPSS_MODEL": "symped", "CPSS_LANES": str(cpus)})):
                some.append(make(workload, POINT, design, cpus, settings))
    return some


class _Maker:
    def __init__(self, known_settings: frozenset[str], seconds: float, quick: bool):
        self._known = known_settings
        self._seconds = seconds
        self._quick = quick
        self._allowed = machine.allowed_cpus()

    def __call__(self, workload: Workload, what: str, design: str, cpus: int,
                 more: Mapping[str, str], outstanding: int | None = None) -> Case:
        service = SERVICES[workload.service]
        packets = ("--segment", str(PACKET)) if workload.packets else ()
        load = Load(service.name, seconds=self._seconds, size=SIZE, timeout_s=TIMEOUT_S,
                    clients=1 if outstanding else PEERS,
                    outstanding=outstanding or workload.outstanding,
                    more=(*service.more, *packets))
        settings = {"CPSS_SOCKET_BUFFER": "4MiB", "CPSS_SERVICE": service.name, **service.settings,
                    **more}
        there = len(self._allowed)
        skip = f"only {there} CPUs allowed here" if there < 2 else ""
        server, client = machine.split_cpus(min(cpus, there), self._allowed)
        return Case(EXPERIMENT, f"{name_of(workload)}: {what}: {design}, {cpus}", load,
                    f"{self._seconds:g} s", settings, server, client,
                    {**dataclasses.asdict(workload), "workload": name_of(workload), "what": what,
                     "design": design, "cpus": cpus, "quick": self._quick, "transient": False},
                    skip or unknown_settings(settings, self._known))


def client_cpu_us(results: Mapping) -> float:
    return results["udpblast"]["cpu_us_per_message"]


class Measured:
    """Medians of the records."""

    def __init__(self, records: Sequence[Record]):
        self._records = [record for record in records if record.status == DONE]

    def __call__(self, figure: Callable[[Mapping], float], workload: str, what: str,
                 design: str = SPED, cpus: int = 1) -> float | None:
        values = [figure(record.results) for record in self._records
                  if (record.labels["workload"], record.labels["what"], record.labels["design"],
                      record.labels["cpus"]) == (workload, what, design, cpus)]
        return statistics.median(values) if values else None


@dataclass(frozen=True)
class Model:
    """A workload's costs."""

    workload: Workload
    server: Costs
    client: Costs
    lock: float

    def outcome(self, design: str, cpus: int, client_cpus: int = 0) -> Outcome:
        return simulate(Setup(
            lanes=1 if design == SPED else cpus, own_sockets=design == REUSEPORT,
            clients=max(1, cpus // 2),
            # As many for each pair of CPUs, so that every lane finds work.
            outstanding=self.workload.outstanding * max(1, cpus // 2), batch=BATCH, peers=PEERS,
            server=self.server, client=self.client, lock=self.lock, cpus=cpus,
            client_cpus=client_cpus))


def model_of(workload: Workload, measured: Measured) -> Model | None:
    """None: something was not measured."""
    name = name_of(workload)
    # What a pass and a wake-up cost is measured one by one.
    single = name_of(dataclasses.replace(workload, packets=False))
    if measured(cpu_us, single, SINGLE) is None:
        single = name_of(workloads()[0])
    values = [measured(figure, where, what) for figure in (cpu_us, client_cpu_us)
              for where, what in ((name, FULL), (single, FULL), (single, SINGLE), (single, ALONE))]
    contended = measured(cpu_us, name, POINT, SHARED, 2)
    if any(value is None for value in (*values, contended)):
        return None
    full, single_full, single_pass, alone = values[:4]
    pass_ = max(0.0, (single_pass - single_full) * BATCH / (BATCH - 1))
    wake = max(0.0, alone - single_pass)
    server = Costs(full - pass_ / BATCH, pass_, wake)
    full, single_full, _, alone = values[4:]
    # The client has no such switch: its passes and wake-ups are taken to relate as the server's.
    both = max(0.0, alone - single_full)
    share = pass_ / (pass_ + wake) if pass_ + wake > 0 else 0.5
    client = Costs(full - share * both / BATCH, share * both, (1 - share) * both)
    return Model(workload, server, client, _lock(workload, server, client, contended))


def _lock(workload: Workload, server: Costs, client: Costs, contended: float) -> float:
    """How long the lock is held for a message, so that two lanes with one socket, on two CPUs with
    the client, come to the measured CPU time."""
    low, high = 0.0, server.message
    for _ in range(12):
        lock = (low + high) / 2
        took = Model(workload, server, client, lock).outcome(SHARED, 2).cpu_us
        low, high = (low, lock) if took > contended else (lock, high)
    return low


@dataclass(frozen=True)
class Row:
    """`best`: design of the highest rate, the default left out."""

    workload: str
    cpus: int
    default: Outcome
    best: str
    of_best: Outcome
    measured: float | None  # messages a second of the default, where there are so many CPUs

    @property
    def ratio(self) -> float:
        return self.default.messages_per_s / self.of_best.messages_per_s

    @property
    def error(self) -> float | None:
        """Of the model."""
        return self.default.messages_per_s / self.measured - 1 if self.measured else None


def rows_of(records: Sequence[Record]) -> list[Row]:
    measured = Measured(records)
    models = [model for workload in workloads() if (model := model_of(workload, measured))]
    return [_row(model, cpus, measured) for model, cpus in itertools.product(models, CPUS)]


def _row(model: Model, cpus: int, measured: Measured) -> Row:
    # On one CPU the client has another, as in all studies of that size.
    client_cpus = 1 if cpus == 1 else 0
    found = {design: model.outcome(design, cpus, client_cpus) for design in DESIGNS}
    best = max(DESIGNS[1:], key=lambda design: found[design].messages_per_s)
    name = name_of(model.workload)
    return Row(name, cpus, found[DEFAULT], best, found[best],
               measured(answers_per_s, name, POINT, DEFAULT, cpus))
