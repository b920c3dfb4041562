"""Old claims about server models, and what this server is to reach, each with a criterion that was
fixed before anything was measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studies.compare import (AMPED, BIMODAL, COUNT_CELLS, ECHO, EVEN_CELL, FORK, GAIN_CELL, GRID,
                             HALF, HERD_CELLS, HERD_LANES, HERD_MODELS, LANES, LOOKUP, LOW,
                             MODELS, PREFORK, PROCESSES, SATURATION, SEDA_WORKERS, SLEEPING, SPED,
                             SYMPED_HANDOFF, SYMPED_REUSEPORT, SYMPED_SHARED, UNEVEN_CELL,
                             WOKEN, Cell, Row, processes_name, work_name)
from studies.compare_figures import (answers_per_s, imbalance, lost_races_per_1000, p99_us,
                                     short_p99_us)
from studies.records import Record
from studies.verdict import Measured, Observation, Verdict, confirmed_if

JUMP = 5.0  # times
ISOLATED = 2.0  # times
CLOSE = 1.25  # times, where work is of some length
MUCH_AT_MOST = 2.5  # times, where it is short: "about 2"
NO_BETTER = 1.05  # times
MANY_LOST_RACES = 100  # for 1,000 replies
EVEN = 1.2  # times the mean share
AS_GOOD = 0.95  # times
GAIN = 1.9  # times
CORES = 2  # of the cells with several processes


@dataclass(frozen=True)
class Claim:
    """Judged by the records of its cases alone."""

    key: str
    observation: Observation
    cases: frozenset[str]

    def verdict(self, records: Sequence[Record]) -> Verdict:
        return self.observation.verdict([record for record in records
                                         if record.name in self.cases])


def _name(cell: Cell, model: str, variant: str = "") -> str:
    return Row(cell, model, variant).name


def _saturated(service: str, cpus: int = 1) -> Cell:
    return Cell(service, cpus, 64, SATURATION, GRID)


def _isolation_ratio(measured: Measured, model: str) -> float:
    """How many times as long the short messages take where there are long ones, too."""
    measured.demand_rates()
    measured.demand_punctuality()
    return measured.median(_name(UNEVEN_CELL, model), short_p99_us) / \
        measured.median(_name(EVEN_CELL, model), p99_us)


def _uneven_cases(*models: str) -> list[str]:
    return [_name(cell, model) for cell in (EVEN_CELL, UNEVEN_CELL) for model in models]


def _one_loop(measured: Measured) -> Verdict:
    ratio = _isolation_ratio(measured, SPED)
    return confirmed_if(ratio >= JUMP, f"the short messages' p99 latency is {ratio:.1f} times as "
                                       "long where one in 200 takes 1 ms")


def _pipeline(measured: Measured) -> Verdict:
    ratio = _isolation_ratio(measured, SEDA_WORKERS)
    return confirmed_if(ratio <= ISOLATED, f"the short messages' p99 latency is {ratio:.2f} times "
                                           "as long where one in 200 takes 1 ms")


def _all_isolated(measured: Measured) -> Verdict:
    ratios = {model: _isolation_ratio(measured, model) for model in (SEDA_WORKERS, AMPED, SPED)}
    return confirmed_if(
        max(ratios[SEDA_WORKERS], ratios[AMPED]) <= ISOLATED < ratios[SPED],
        "times as long: " + ", ".join(f"{model} {ratio:.2f}" for model, ratio in ratios.items()))


FORK_SERVICES = (ECHO, LOOKUP, *(work_name(us) for us in (1, 10, 100)))
FORK_RIVALS = (SPED, "seda", SYMPED_SHARED, SYMPED_HANDOFF, AMPED, PREFORK)


def _fork_is_slowest(measured: Measured) -> Verdict:
    slower, least = [], {}
    for service in FORK_SERVICES:
        cell = _saturated(service)
        fork = measured.median(_name(cell, FORK), answers_per_s)
        least[service] = min(measured.median(_name(cell, model), answers_per_s)
                             for model in FORK_RIVALS) / fork
        slower.append(least[service] > 1)
    return confirmed_if(all(slower), "the slowest of the others answers " + ", ".join(
        f"{ratio:.2f} times as many ({service})" for service, ratio in least.items()))


POOL_SHORT, POOL_LONG = (ECHO, work_name(1)), (work_name(10), work_name(100))


def _pools(measured: Measured) -> Verdict:
    gain = {service: measured.median(_name(_saturated(service), SPED), answers_per_s)
            / measured.median(_name(_saturated(service), PREFORK), answers_per_s)
            for service in POOL_SHORT + POOL_LONG}
    return confirmed_if(
        max(gain[service] for service in POOL_LONG) <= CLOSE
        and max(gain[service] for service in POOL_SHORT) <= MUCH_AT_MOST,
        "one loop answers " + ", ".join(f"{ratio:.2f} times as many ({service})"
                                        for service, ratio in gain.items()))


def _few_processes(measured: Measured) -> Verdict:
    def gain(service: str) -> float:
        """Of the best of more than twice the cores over the best of at most that."""
        found = {count: measured.median(_name(COUNT_CELLS[service], PREFORK,
                                              processes_name(count)), answers_per_s)
                 for count in PROCESSES}
        return max(value for count, value in found.items() if count > 2 * CORES) / \
            max(value for count, value in found.items() if count <= 2 * CORES)

    gains = {service: gain(service) for service in COUNT_CELLS}
    burning = [ratio for service, ratio in gains.items() if service != SLEEPING]
    return confirmed_if(max(burning) <= NO_BETTER,
                        "the best number above twice the cores answers " + ", ".join(
                            f"{ratio:.2f} times as many ({service})"
                            for service, ratio in gains.items()))


HERD_CELL = next(cell for cell in HERD_CELLS if cell.load == LOW)


def _herd(measured: Measured) -> Verdict:
    races = {(model, variant): measured.median(_name(HERD_CELL, model, variant),
                                               lost_races_per_1000)
             for model in HERD_MODELS for variant in WOKEN}
    all_woken = next(variant for variant, exclusive in WOKEN.items() if exclusive == "false")
    return confirmed_if(
        min(races[model, all_woken] for model in HERD_MODELS) > MANY_LOST_RACES,
        "woken in vain for 1,000 replies: " + ", ".join(
            f"{model}, {variant} {count:,.0f}" for (model, variant), count in races.items()))


EVEN_CELLS = tuple(Cell(service, 2, 64, load) for service in (ECHO, work_name(100))
                   for load in (HALF, SATURATION))
EVEN_MODELS = (SYMPED_SHARED, PREFORK)


def _evens_out(measured: Measured) -> Verdict:
    found = {(cell, model): measured.median(_name(cell, model), imbalance)
             for cell in EVEN_CELLS for model in EVEN_MODELS}
    return confirmed_if(max(found.values()) <= EVEN, "times the mean share: " + ", ".join(
        f"{model}, {cell.service} at {cell.load} {ratio:.2f}"
        for (cell, model), ratio in found.items()))


LONG_WORK, SHORT_WORK = (work_name(100), work_name(1000)), (ECHO, work_name(1))


def _handoff(measured: Measured) -> Verdict:
    ratios = {service: measured.median(_name(_saturated(service, 2), SYMPED_HANDOFF),
                                       answers_per_s)
              / measured.median(_name(_saturated(service, 2), SYMPED_REUSEPORT), answers_per_s)
              for service in LONG_WORK + SHORT_WORK}
    return confirmed_if(
        min(ratios[service] for service in LONG_WORK) >= AS_GOOD
        and max(ratios[service] for service in SHORT_WORK) < AS_GOOD,
        "hand-off answers " + ", ".join(f"{ratio:.2f} times as many ({service})"
                                        for service, ratio in ratios.items()))


def _two_lanes(measured: Measured) -> Verdict:
    ratio = measured.median(_name(GAIN_CELL, SYMPED_REUSEPORT), answers_per_s) / \
        measured.median(_name(GAIN_CELL, SPED), answers_per_s)
    return confirmed_if(ratio >= GAIN, f"{ratio:.3f} times as many answers a second")


def _claim(key: str, text: str, criterion: str, judge: Callable[[Measured], Verdict],
           cases: Sequence[str]) -> Claim:
    return Claim(key, Observation(text, criterion, judge), frozenset(cases))


CLAIMS = (
    _claim("a", "One loop's latency jumps where messages take unevenly long.",
           f"under sped, p99 latency of the short messages of `{BIMODAL}` is at least {JUMP:g} "
           f"times that of `{work_name(1)}` at the same rate", _one_loop, _uneven_cases(SPED)),
    _claim("b", "A process for each request is the slowest.",
           f"at saturation on one CPU it answers fewer than each other model, for "
           f"{', '.join(FORK_SERVICES)}", _fork_is_slowest,
           [_name(_saturated(service), model) for service in FORK_SERVICES
            for model in (FORK, *FORK_RIVALS)]),
    _claim("c", "Standing pools come close to events once work takes 10 to 100 us; below that "
           "events gain about 2 times at most.",
           f"at saturation on one CPU, sped answers at most {CLOSE:g} times as many as {PREFORK} "
           f"where work takes 10 and 100 us, and at most {MUCH_AT_MOST:g} times as many for "
           f"{' and '.join(POOL_SHORT)}", _pools,
           [_name(_saturated(service), model) for service in POOL_SHORT + POOL_LONG
            for model in (SPED, PREFORK)]),
    _claim("d", "More processes than twice the cores gain nothing.",
           f"at saturation on {CORES} CPUs no number above {2 * CORES} answers more than "
           f"{NO_BETTER:g} times what the best number up to that does, for echo and 100 us of "
           "work; sleeping work is shown, not judged", _few_processes,
           [_name(cell, PREFORK, processes_name(count)) for cell in COUNT_CELLS.values()
            for count in PROCESSES]),
    _claim("e", "A shared socket wakes too many.",
           f"at {LOW}, {HERD_LANES} lanes without EPOLLEXCLUSIVE are woken in vain more than "
           f"{MANY_LOST_RACES} times for 1,000 replies, threads and processes", _herd,
           [_name(HERD_CELL, model, variant) for model in HERD_MODELS for variant in WOKEN]),
    _claim("f", "Load evens itself out between lanes that share a socket.",
           f"the busier of {LANES} lanes has at most {EVEN:g} times the mean share, for echo and "
           "100 us of work, at half load and saturation on 2 CPUs, threads and processes",
           _evens_out, [_name(cell, model) for cell in EVEN_CELLS for model in EVEN_MODELS]),
    _claim("g", "Hand-off spreads long work well, and short work less well than SO_REUSEPORT.",
           f"at saturation on 2 CPUs symped with hand-off answers at least {AS_GOOD:g} times as "
           "many as with reuseport where work takes 100 and 1,000 us, and fewer than that for "
           f"{' and '.join(SHORT_WORK)}", _handoff,
           [_name(_saturated(service, 2), model) for service in LONG_WORK + SHORT_WORK
            for model in (SYMPED_HANDOFF, SYMPED_REUSEPORT)]),
    _claim("h", "The pipeline isolates slow work.",
           f"under seda with workers, p99 latency of the short messages of `{BIMODAL}` is at most "
           f"{ISOLATED:g} times that of `{work_name(1)}` at the same rate", _pipeline,
           _uneven_cases(SEDA_WORKERS)),
)
TARGETS = (
    _claim("two lanes", f"Two lanes answer {GAIN:g} times what one does.",
           f"symped with reuseport over sped, 50 us of CPU time a message, 2 CPUs, 64 peers, "
           f"packets of 32: at least {GAIN:g} times as many answers a second", _two_lanes,
           [_name(GAIN_CELL, model) for model in (SYMPED_REUSEPORT, SPED)]),
    _claim("isolation", "Workers and helpers keep slow work away from the rest, one loop does not.",
           f"at half of what seda with workers answers of `{BIMODAL}`, p99 latency of its short "
           f"messages is at most {ISOLATED:g} times that of `{work_name(1)}` at the same rate, "
           f"with {MODELS[SEDA_WORKERS].title} and {MODELS[AMPED].title}; under sped it is more",
           _all_isolated, _uneven_cases(SEDA_WORKERS, AMPED, SPED)),
)
