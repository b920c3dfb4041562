"""A queueing model of a server's lanes and its clients: threads that take what is there, up to a
batch, work on it without a break, and hand it on. It knows the costs of messages, of passes, of
being woken and of the socket's lock, and that CPUs are few; nothing of caches, interrupts or other
processes. Discrete events (Law, Simulation Modeling and Analysis, 5th ed., ch. 1). Times in us."""

import heapq
import itertools
import random
from collections import deque
from dataclasses import dataclass

SLICE_US = 3000.0  # a thread goes on for so long while others are ready for its CPU


@dataclass(frozen=True)
class Costs:
    """CPU time of one side."""

    message: float
    pass_: float  # more, each time that it takes what is there
    wake: float  # more, if it slept before

    def of(self, messages: int, woken: bool) -> float:
        return self.pass_ + messages * self.message + (self.wake if woken else 0)


@dataclass(frozen=True)
class Setup:
    """Lanes share one socket, or each has its own. `client_cpus` 0: clients use the server's."""

    lanes: int
    own_sockets: bool
    clients: int  # threads
    outstanding: int  # messages
    batch: int
    peers: int
    server: Costs
    client: Costs
    lock: float  # for each message, of its socket: held by who sends it and by who receives it
    cpus: int
    client_cpus: int = 0


@dataclass(frozen=True)
class Outcome:
    messages_per_s: float
    cpu_us: float  # of the server, for each message


class _Thread:
    def __init__(self, is_lane: bool, socket: int, cpus: "_Cpus"):
        self.is_lane = is_lane
        self.socket = socket
        self.cpus = cpus
        self.woken = True
        self.asleep = True
        self.since = 0.0  # on its CPU


class _Cpus:
    def __init__(self, count: int):
        self.idle = count
        self.ready: deque[_Thread] = deque()


class _Run:
    def __init__(self, setup: Setup, seed: int):
        self._setup = setup
        rng = random.Random(seed)
        sockets = setup.lanes if setup.own_sockets else 1
        self._socket_of_peer = [rng.randrange(sockets) for _ in range(setup.peers)]
        self._peer = itertools.cycle(range(setup.peers))
        self._requests = [0] * sockets
        self._replies = setup.outstanding  # the clients begin
        self._lock_free = [0.0] * sockets
        server_cpus = _Cpus(setup.cpus)
        client_cpus = _Cpus(setup.client_cpus) if setup.client_cpus else server_cpus
        self._lanes = [_Thread(True, i % sockets, server_cpus) for i in range(setup.lanes)]
        self._clients = [_Thread(False, 0, client_cpus) for _ in range(setup.clients)]
        self._events: list[tuple[float, int, _Thread, int]] = []
        self._number = itertools.count()
        self.now = 0.0
        self.answered = 0
        self.server_us = 0.0

    def until(self, messages: int) -> None:
        if not self._events:
            for client in self._clients:
                self._wake(client)
        while self.answered < messages:
            self.now, _, thread, count = heapq.heappop(self._events)
            self._end_of_pass(thread, count)

    def _waiting(self, thread: _Thread) -> int:
        return self._requests[thread.socket] if thread.is_lane else self._replies

    def _wake(self, thread: _Thread) -> None:
        thread.asleep, thread.woken = False, True
        if thread.cpus.idle:
            thread.cpus.idle -= 1
            self._begin(thread, self.now)
        else:
            thread.cpus.ready.append(thread)

    def _begin(self, thread: _Thread, since: float) -> None:
        """A pass of a thread that has a CPU."""
        setup, thread.since = self._setup, since
        count = min(setup.batch, self._waiting(thread))
        costs = setup.server if thread.is_lane else setup.client
        took = costs.of(count, thread.woken)
        thread.woken = False
        if thread.is_lane:
            self._requests[thread.socket] -= count
            took += self._hold_lock(thread.socket, count)
            self.server_us += took
        else:
            self._replies -= count
            if not setup.own_sockets:
                took += self._hold_lock(0, count)
        heapq.heappush(self._events, (self.now + took, next(self._number), thread, count))

    def _hold_lock(self, socket: int, messages: int) -> float:
        """Returns how long it waits; the time that it holds it is part of its costs."""
        begin = max(self.now, self._lock_free[socket])
        self._lock_free[socket] = begin + messages * self._setup.lock
        return begin - self.now

    def _end_of_pass(self, thread: _Thread, count: int) -> None:
        if thread.is_lane:
            self.answered += count
            self._replies += count
            self._wake_one(self._clients, count)
        else:
            for _ in range(count):
                self._requests[self._socket_of_peer[next(self._peer)]] += 1
            for socket, waiting in enumerate(self._requests):
                self._wake_one([lane for lane in self._lanes if lane.socket == socket], waiting)
        self._go_on(thread)

    def _wake_one(self, threads: list[_Thread], waiting: int) -> None:
        if waiting:
            sleeper = next((thread for thread in threads if thread.asleep), None)
            if sleeper:
                self._wake(sleeper)

    def _go_on(self, thread: _Thread) -> None:
        cpus = thread.cpus
        if self._waiting(thread):
            if not cpus.ready or self.now - thread.since < SLICE_US:
                self._begin(thread, thread.since)
                return
            cpus.ready.append(thread)
        else:
            thread.asleep = True
        if cpus.ready:
            self._begin(cpus.ready.popleft(), self.now)
        else:
            cpus.idle += 1


def simulate(setup: Setup, messages: int = 30_000, seed: int = 1) -> Outcome:
    run = _Run(setup, seed)
    run.until(messages // 10)
    begin, server_us, answered = run.now, run.server_us, run.answered
    run.until(answered + messages)
    done = run.answered - answered
    return Outcome(1e6 * done / (run.now - begin), (run.server_us - server_us) / done)
