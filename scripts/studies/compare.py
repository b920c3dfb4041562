"""The comparison of server models: models, services, and the cells in which they meet."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from studies import machine
from studies.blast import Load
from studies.cases import Case, unknown_settings

EXPERIMENT = "models"
OWN_EXPERIMENT = "models-own"  # a user's service and load

LANES = 2  # of the models that have several alike: on one CPU twice as many as CPUs
WORKERS = 8
HERD_LANES = 8
PROCESSES = (1, 2, 4, 16, 256, 4096)
WORK_US = (1, 10, 100, 1000)

LOW, HALF, SATURATION = "low load", "half load", "saturation"
SHARES = {LOW: 0.05, HALF: 0.5}  # of the capacity
SIZE = 256
PACKET = 32  # messages, where they leave in packets
TIMEOUT_S = 1.0  # of an open loop: an overloaded server has lost the message then
CLOSED_TIMEOUT_S = 10.0  # of a closed loop: the slowest server still answers


@dataclass(frozen=True)
class Model:
    """One row of the comparison. Its settings are only such as the model uses."""

    title: str
    settings: Mapping[str, str]
    # Its threads or processes come and go, and take what they have used with them.
    transient: bool = False


def _model(title: str, name: str, transient: bool = False, **settings: object) -> Model:
    return Model(title, {"CPSS_MODEL": name,
                         **{f"CPSS_{key}": str(value) for key, value in settings.items()}},
                 transient)


DEFAULT, SEDA, SEDA_WORKERS, SPED, AMPED = "default", "seda", "seda-workers", "sped", "amped"
SYMPED_SHARED, SYMPED_REUSEPORT, SYMPED_HANDOFF = (f"symped-{sockets}" for sockets in
                                                   ("shared", "reuseport", "handoff"))
PREFORK, PREFORK_REUSEPORT, FORK = "mp-prefork", "mp-prefork-reuseport", "mp-fork"

_REUSEPORT = {"SOCKETS": "reuseport", "STEERING": "random"}
MODELS = {
    DEFAULT: _model("default: nothing set", "seda"),
    SEDA: _model("seda, pools", "seda"),
    SEDA_WORKERS: _model(f"seda, pools, {WORKERS} workers", "seda", WORKER_THREADS=WORKERS),
    SPED: _model("sped", "sped"),
    SYMPED_SHARED: _model("symped, shared", "symped", LANES=LANES, SOCKETS="shared"),
    SYMPED_REUSEPORT: _model("symped, reuseport", "symped", LANES=LANES, **_REUSEPORT),
    SYMPED_HANDOFF: _model("symped, handoff", "symped", transient=True, LANES=LANES,
                           SOCKETS="handoff"),
    AMPED: _model(f"amped, {WORKERS} helpers", "amped", WORKER_THREADS=WORKERS),
    PREFORK: _model("mp, prefork, shared", "mp", LANES=LANES, MP="prefork", SOCKETS="shared"),
    PREFORK_REUSEPORT: _model("mp, prefork, reuseport", "mp", LANES=LANES, MP="prefork",
                              **_REUSEPORT),
    FORK: _model("mp, fork", "mp", transient=True, LANES=LANES, MP="fork"),
}
# Those that differ from others only where the server has several CPUs.
_SEVERAL_CPUS = (SYMPED_REUSEPORT, PREFORK_REUSEPORT)


@dataclass(frozen=True)
class Service:
    """A service, and how it is loaded."""

    about: str
    name: str  # as server and client have it
    settings: Mapping[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()  # of udpblast
    outstanding: int = 512  # messages of a closed loop
    packets: bool = False  # at saturation, where the client could not send enough one by one
    deferred: bool = False  # some of its messages, where there are workers


def _work(about: str, profile: str, **more) -> Service:
    return Service(about, "work", {"CPSS_WORK": profile}, ("--work", profile), **more)


def work_name(microseconds: int) -> str:
    return f"work-{microseconds}"


ECHO, LOOKUP, SCALING, BIMODAL, SLEEPING = "echo", "lookup", "work-50", "bimodal", "sleeping"
SERVICES = {
    ECHO: Service("the payload back", "echo", packets=True),
    LOOKUP: Service("100,000 numbers, each found", "lookup", packets=True),
    **{work_name(us): _work(f"{us} us of CPU time", f"fixed:{us};burn", packets=us <= 10,
                            outstanding=512 if us <= 10 else 128) for us in WORK_US},
    SCALING: _work("50 us of CPU time", "fixed:50;burn", packets=True),
    BIMODAL: _work("1 us, and for one message in 200 a sleep of 1 ms, deferred",
                   "bimodal:1,1000,0.005;sleep;defer=100", deferred=True),
    SLEEPING: _work("a sleep of 200 us, deferred", "fixed:200;sleep;defer=100", deferred=True),
}
# Groups of cells.
GRID, HERD, COUNTS, GAIN, ISOLATION = "models", "wake-ups", "processes", "two lanes", "isolation"
CAPACITY, OWN = "capacity", "own"


@dataclass(frozen=True)
class Cell:
    """What all models of a table get alike."""

    service: str
    cpus: int
    peers: int
    load: str
    group: str = GRID

    @property
    def name(self) -> str:
        return ", ".join((self.service, _count(self.cpus, "CPU"), _count(self.peers, "peer"),
                          self.load))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Row:
    """A model in a cell. `variant`: in what it differs from the model as it is in the grid."""

    cell: Cell
    model: str
    variant: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    capacity: str = SEDA  # whose share the load is
    outstanding: int | None = None
    quick: bool = False  # is part of the quick run

    @property
    def server(self) -> str:
        return f"{self.model}, {self.variant}" if self.variant else self.model

    @property
    def name(self) -> str:
        return f"{self.cell.group}: {self.cell.name}: {self.server}"


def _grid_cells() -> Iterator[Cell]:
    """Not the full product, which would take hours; docs/models.md says what is left out."""
    for peers, load in itertools.product((1, 64), (LOW, HALF, SATURATION)):
        yield Cell(ECHO, 1, peers, load)
    for load in (HALF, SATURATION):
        yield Cell(ECHO, 2, 64, load)
        yield Cell(LOOKUP, 1, 64, load)
        for us in WORK_US:
            yield Cell(work_name(us), 1, 64, load)
        yield Cell(SLEEPING, 1, 64, load)
    for us in WORK_US:
        yield Cell(work_name(us), 2, 64, SATURATION)
    yield Cell(work_name(100), 2, 64, HALF)
    for load in (LOW, HALF, SATURATION):
        yield Cell(BIMODAL, 1, 64, load)


def _meets(model: str, cell: Cell) -> bool:
    if model == SEDA_WORKERS:
        return SERVICES[cell.service].deferred
    if model in _SEVERAL_CPUS:
        return cell.cpus > 1
    # What a process for each message cannot do by far takes long to end, and says nothing more.
    return model != FORK or cell.load != HALF or cell.service not in (
        ECHO, LOOKUP, work_name(1), work_name(10))


HERD_CELLS = tuple(Cell(ECHO, 2, 64, load, HERD) for load in (LOW, HALF))
HERD_MODELS = (SYMPED_SHARED, PREFORK)
WOKEN = {"one is woken": "true", "all are woken": "false"}  # CPSS_EPOLLEXCLUSIVE
COUNT_CELLS = {service: Cell(service, 2, 64, SATURATION, COUNTS)
               for service in (ECHO, work_name(100), SLEEPING)}
GAIN_CELL = Cell(SCALING, 2, 64, SATURATION, GAIN)
ISOLATION_MODELS = (SEDA_WORKERS, AMPED, SPED)
# `fixed:1` at the rate of the bimodal load, and that load.
EVEN_CELL, UNEVEN_CELL = (Cell(service, 1, 64, HALF, ISOLATION)
                          for service in (work_name(1), BIMODAL))


def processes_name(count: int) -> str:
    return f"{count} {'process' if count == 1 else 'processes'}"


def all_rows() -> Iterator[Row]:
    for cell in _grid_cells():
        for model in MODELS:
            if _meets(model, cell):
                yield Row(cell, model, quick=cell == Cell(ECHO, 2, 64, SATURATION))
    for cell, model, (variant, exclusive) in itertools.product(HERD_CELLS, HERD_MODELS,
                                                               WOKEN.items()):
        yield Row(cell, model, variant, {"CPSS_LANES": str(HERD_LANES),
                                         "CPSS_EPOLLEXCLUSIVE": exclusive},
                  quick=cell.load == LOW and model == SYMPED_SHARED)
    for (service, cell), count in itertools.product(COUNT_CELLS.items(), PROCESSES):
        yield Row(cell, PREFORK, processes_name(count),
                  {"CPSS_LANES": str(count), "CPSS_HISTOGRAMS": "0"},
                  outstanding=max(PROCESSES), quick=service == ECHO and count in (1, 4))
    for model in (SPED, SYMPED_REUSEPORT):
        yield Row(GAIN_CELL, model)
    for cell, model in itertools.product((EVEN_CELL, UNEVEN_CELL), ISOLATION_MODELS):
        yield Row(cell, model, capacity=SEDA_WORKERS, quick=True)


@dataclass(frozen=True)
class Capacity:
    """What a share is of: a closed loop, one by one, as messages of an open loop leave."""

    service: str
    cpus: int
    peers: int
    model: str

    @property
    def cell(self) -> Cell:
        return Cell(self.service, self.cpus, self.peers, "one by one", CAPACITY)

    @property
    def name(self) -> str:
        return Row(self.cell, self.model).name


def capacity_of(row: Row) -> Capacity | None:
    """The one that the row's rate is made from; None of a closed loop. Where an uneven load is
    compared with an even one, both have the rate of the uneven one."""
    cell = row.cell
    if cell.load not in SHARES:
        return None
    service = UNEVEN_CELL.service if cell.group == ISOLATION else cell.service
    return Capacity(service, cell.cpus, cell.peers, row.capacity)


def capacities_of(some: Iterable[Row]) -> list[Capacity]:
    return list(dict.fromkeys(capacity for row in some if (capacity := capacity_of(row))))


class CaseMaker:
    """Makes cases of rows and capacities. `numbers`: folder of numbers.csv and queries.tsv."""

    def __init__(self, known_settings: frozenset[str], seconds: float, quick: bool,
                 numbers: Path):
        self._known = known_settings
        self._seconds = seconds
        self._quick = quick
        self._numbers = numbers
        self._allowed = machine.allowed_cpus()

    def capacity(self, capacity: Capacity) -> Case:
        service = SERVICES[capacity.service]
        load = self._load(service, capacity.peers, timeout_s=CLOSED_TIMEOUT_S,
                          outstanding=service.outstanding)
        return self._case(EXPERIMENT, capacity.name, load, capacity.cpus,
                          self._settings(capacity.service, capacity.model, capacity.cpus, {}),
                          _labels(capacity.cell, capacity.model))

    def row(self, row: Row, capacities: Mapping[str, float]) -> Case:
        """`capacities`: messages a second, by name; where one is missing the case is skipped."""
        cell, service = row.cell, SERVICES[row.cell.service]
        why_not, rate = "", None
        capacity = capacity_of(row)
        if capacity is None:
            load = self._closed_loop(service, row)
        else:
            rate = capacities.get(capacity.name)
            why_not = "" if rate else f"not measured: {capacity.name}"
            load = self._load(service, cell.peers, timeout_s=TIMEOUT_S,
                              rate=max(1, round(SHARES[cell.load] * (rate or 1))))
        return self._case(EXPERIMENT, row.name, load, cell.cpus,
                          self._settings(cell.service, row.model, cell.cpus, row.settings),
                          _labels(cell, row.model, row.variant), why_not)

    def own(self, name: str, cpus: int, model: str, load: Load,
            settings: Mapping[str, str]) -> Case:
        """A user's service with a load of the user's, on a model."""
        kind = "closed loop" if load.rate is None else f"{load.rate} a second"
        row = Row(Cell(name, cpus, load.clients, kind, OWN), model)
        every = {"CPSS_SERVICE": name, **MODELS[model].settings, **_for_cpus(model, cpus),
                 **settings}
        return self._case(OWN_EXPERIMENT, row.name, load, cpus, every, _labels(row.cell, model))

    def _load(self, service: Service, peers: int, **more) -> Load:
        given = service.more
        if service.name == "lookup":
            given += ("-d", str(self._numbers / "queries.tsv"))
        return Load(service.name, seconds=self._seconds, size=SIZE, clients=peers,
                    **{**more, "more": given + more.get("more", ())})

    def _closed_loop(self, service: Service, row: Row) -> Load:
        outstanding = row.outstanding or service.outstanding
        packets: tuple[str, ...] = ()
        if service.packets:  # two for each peer, which sends when it has room for one
            outstanding = max(outstanding, 2 * PACKET * row.cell.peers)
            packets = ("--segment", str(PACKET))
        return self._load(service, row.cell.peers, timeout_s=CLOSED_TIMEOUT_S,
                          outstanding=outstanding, more=packets)

    def _settings(self, service: str, model: str, cpus: int,
                  more: Mapping[str, str]) -> dict[str, str]:
        kind = SERVICES[service]
        settings = {"CPSS_SERVICE": kind.name, **kind.settings}
        if kind.name == "lookup":
            settings["CPSS_NUMBERS"] = str(self._numbers / "numbers.csv")
        return {**settings, **MODELS[model].settings, **_for_cpus(model, cpus), **more}

    def _case(self, experiment: str, name: str, load: Load, cpus: int, settings: dict[str, str],
              labels: dict, skip: str = "") -> Case:
        settings = {"CPSS_SOCKET_BUFFER": "4MiB", "CPSS_DRAIN_TIMEOUT": "60", **settings}
        if cpus > len(self._allowed):
            skip = f"only {_count(len(self._allowed), 'CPU')} allowed here"
        server, client = machine.split_cpus(min(cpus, len(self._allowed)), self._allowed)
        return Case(experiment, name, load, f"{self._seconds:g} s", settings, server, client,
                    {**labels, "quick": self._quick},
                    skip or unknown_settings(settings, self._known))


def _labels(cell: Cell, model: str, variant: str = "") -> dict:
    return {**dataclasses.asdict(cell), "model": model, "variant": variant,
            "server": Row(cell, model, variant).server, "transient": MODELS[model].transient}


def _for_cpus(model: str, cpus: int) -> dict[str, str]:
    """The stage that does the work has a lane for each CPU."""
    return {"CPSS_SERVICE_THREADS": str(cpus)} if model in (SEDA, SEDA_WORKERS) else {}


def write_numbers(folder: Path) -> None:
    """numbers.csv and queries.tsv: numbers of one length, and each once, in no order, with what
    the server has to say."""
    folder.mkdir(parents=True, exist_ok=True)
    count, step = 100_000, 7_919  # which have no common divisor
    replies = [(f"1555{i:07}", f"gw{i % 16}.example.net") for i in range(count)]
    (folder / "numbers.csv").write_text(
        "prefix,gateway\n" + "".join(f"{number},{gateway}\n" for number, gateway in replies),
        encoding="utf-8")
    shuffled = (replies[i * step % count] for i in range(count))
    (folder / "queries.tsv").write_text(
        "".join(f"+{number}\tprefix={number};gateway={gateway}\n" for number, gateway in shuffled),
        encoding="utf-8")
