"""The rows of the article's tables: shapes of processing on CPUs, and how they are run."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from studies import highest_rate, machine
from studies.blast import Load
from studies.cases import Case, unknown_settings

EXPERIMENT = "matrix"
SMALL_SLOTS = 8192  # the base rows are run once more with the server's default
SMALL_SLOTS_TIMEOUT_S = 5  # more than those and the socket's buffer ever hold up a message

SYS, PROCESS = "sys", "process"
REAL_TIME, NO_REAL_TIME = "rcv_rt", "none"


@dataclass(frozen=True)
class Shape:
    """Threads of each stage; without workers messages stay on the service lanes."""

    recv: int
    resp: int
    service: int
    worker: int = 0
    demand: int = 0

    def __str__(self) -> str:
        text = f"r{self.recv}r{self.resp}s{self.service}"
        if self.worker:
            text += f"w{self.worker}"
        if self.demand:
            text += f"d{self.demand}"
        return text

    def settings(self) -> dict[str, str]:
        settings = {"CPSS_RECV_THREADS": self.recv, "CPSS_RESP_THREADS": self.resp,
                    "CPSS_SERVICE_THREADS": self.service}
        if self.worker:
            settings |= {"CPSS_WORKER_THREADS": self.worker, "CPSS_DEFER": "all"}
        if self.demand:
            settings |= {"CPSS_ONDEMAND_THREADS": self.demand}
        return {name: str(value) for name, value in settings.items()}


BASE = Shape(1, 1, 1)
_WITHOUT_DEMAND = (BASE, Shape(1, 1, 1, 1), Shape(1, 1, 1, 2), Shape(1, 1, 1, 4), Shape(2, 2, 2),
                   Shape(2, 2, 2, 2), Shape(2, 2, 4, 4))
SHAPES = tuple(itertools.chain.from_iterable(
    (shape, Shape(shape.recv, shape.resp, shape.service, shape.worker, 2)) if shape.worker
    else (shape,) for shape in _WITHOUT_DEMAND))


@dataclass(frozen=True)
class Row:
    shape: Shape
    cpus: int
    synch: str = SYS
    receive: str = NO_REAL_TIME
    slots: int | None = None  # None: as many as messages


def full_matrix(cpus: Sequence[int]) -> Iterator[Row]:
    """All rows; then the base rows, those without real time and shared memory, with few slots."""
    for count, synch, receive, shape in itertools.product(
            cpus, (SYS, PROCESS), (NO_REAL_TIME, REAL_TIME), SHAPES):
        yield Row(shape, count, synch, receive)
    for count, shape in itertools.product(cpus, SHAPES):
        yield Row(shape, count, slots=SMALL_SLOTS)


def quick_matrix(cpus: Sequence[int]) -> Iterator[Row]:
    """Every kind of row once."""
    for count in cpus:
        yield Row(BASE, count)
    yield Row(Shape(1, 1, 1, 1, 2), cpus[0])
    yield Row(BASE, cpus[-1], PROCESS, REAL_TIME)
    yield Row(BASE, cpus[0], slots=SMALL_SLOTS)


def order_of(labels: dict) -> tuple:
    """Sorts the labels of rows as full_matrix has the rows."""
    return (labels["small_slots"], labels["cpus"], labels["synch"] == PROCESS,
            labels["receive"] == REAL_TIME, [str(shape) for shape in SHAPES].index(labels["shape"]))


class CaseMaker:
    """Makes cases of rows, the same for each row in all that the row does not say. `measured` is
    what the load's rate was derived from; empty where it was given. Rows with few slots are
    searched for the highest rate that they answer."""

    def __init__(self, known_settings: frozenset[str], load: Load, measured: dict, quick: bool):
        self._known = known_settings
        self._load = load
        self._measured = measured
        self._quick = quick
        self._allowed = machine.allowed_cpus()
        self._why_no_real_time = machine.why_no_real_time()

    def __call__(self, row: Row) -> Case:
        server, client = machine.split_cpus(row.cpus, self._allowed)
        key = "|".join((machine.cpu_list(server), str(row.cpus), row.synch, str(row.shape),
                        row.receive))
        slots = row.slots or self._load.count
        labels = {"key": key, "shape": str(row.shape), "cpus": row.cpus, "synch": row.synch,
                  "receive": row.receive, "slots": slots, "small_slots": row.slots is not None,
                  "quick": self._quick, "rate": self._measured}
        if row.slots is not None:
            effort = highest_rate.QUICK if self._quick else highest_rate.FULL
            labels |= highest_rate.label_of(effort)
        settings = self._settings(row, slots)
        series = f"{self._load.service}, {self._load.count} at {self._load.rate} a second"
        load = self._load
        if row.slots is not None:
            load = dataclasses.replace(load, timeout_s=min(load.timeout_s, SMALL_SLOTS_TIMEOUT_S))
        return Case(EXPERIMENT, f"{key} q{slots}", load, series, settings, server, client,
                    labels, self._why_not(row, settings))

    def _settings(self, row: Row, slots: int) -> dict[str, str]:
        settings = {"CPSS_SERVICE": self._load.service, "CPSS_QSLOTS": str(slots),
                    "CPSS_MSGSIZE": str(max(512, self._load.size)),
                    "CPSS_SOCKET_BUFFER": "4MiB", "CPSS_DRAIN_TIMEOUT": "60",
                    **row.shape.settings()}
        if row.synch == PROCESS:
            settings["CPSS_SYNCH_PROCESS"] = "1"
        if row.receive == REAL_TIME:
            settings |= {"CPSS_RECV_THREADS_RT": str(machine.REAL_TIME_PRIORITY),
                         "CPSS_RT_ALLOW_SMALL": "1"}
        if "CPSS_DISPATCH" in self._known:  # the article's server hands every message over
            settings["CPSS_DISPATCH"] = "queued"
        if "CPSS_MEMORY_CHECK" in self._known:  # a slot for each message, of which few are used
            settings["CPSS_MEMORY_CHECK"] = "warn"
        return settings

    def _why_not(self, row: Row, settings: dict[str, str]) -> str:
        if row.cpus > len(self._allowed):
            return f"only {len(self._allowed)} CPUs are allowed here"
        if row.receive == REAL_TIME and self._why_no_real_time:
            return self._why_no_real_time
        return unknown_settings(settings, self._known)
