"""Observations: claims that a study tests, each by a criterion that was fixed beforehand."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studies import blast
from studies.records import DONE, FAILED, Record, result_of
from studies.tables import Column, Table

CONFIRMED = "confirmed"
NOT_CONFIRMED = "not confirmed"
NO_LONGER = "no longer applies"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Verdict:
    outcome: str  # one of the above
    figure: str  # what it rests on, in one sentence


def confirmed_if(holds: bool, figure: str) -> Verdict:
    return Verdict(CONFIRMED if holds else NOT_CONFIRMED, figure)


class Missing(Exception):
    """A figure that a verdict needs was not measured; the text says which one and why."""


class Measured:
    """The results of an experiment's cases, by the cases' names."""

    def __init__(self, records: Sequence[Record]):
        self._records = records

    def __contains__(self, name: str) -> bool:
        return bool(self.of_any(name))

    def of_any(self, name: str) -> list[dict]:
        """The results of each repeat; empty if there is none."""
        return [record.results for record in self._repeats(name) if record.status == DONE]

    def of(self, name: str) -> list[dict]:
        """The results of each repeat. Raises Missing if there is none."""
        results = self.of_any(name)
        if not results:
            # Where a case that this one depends on was skipped, it was not even tried.
            why = next((record for record in [*self._repeats(name), *self._records]
                        if record.status != DONE), None)
            raise Missing(f"{why.name}: {result_of(why)}" if why else f"{name}: not run")
        return results

    def demand_rates(self) -> None:
        """Raises Missing if a load was not the one that was asked for: of an open loop, in most of
        the repeats, fewer messages a second were sent."""
        for name in dict.fromkeys(record.name for record in self._records):
            kept = [blast.kept_rate(results["udpblast"]) for results in self.of_any(name)
                    if results["udpblast"]["schedule"]]
            if 2 * sum(kept) < len(kept):
                raise Missing(f"{name}: the client did not send at the rate that was asked for")

    def demand_punctuality(self) -> None:
        """Raises Missing if the client's own being late is much of the latency of an open loop: in
        most of the repeats it neither kept its schedule nor was its p99 lag within a quarter of the
        p99 latency."""
        for name in dict.fromkeys(record.name for record in self._records):
            good = [blast.kept_time(results["udpblast"]) for results in self.of_any(name)
                    if results["udpblast"]["schedule"]]
            if 2 * sum(good) < len(good):
                raise Missing(f"{name}: the client was late itself")

    def _repeats(self, name: str) -> list[Record]:
        return sorted((record for record in self._records if record.name == name),
                      key=lambda record: record.repeat)

    def median(self, name: str, figure: Callable[[dict], float | None]) -> float:
        """Raises Missing if a repeat does not have the figure: of no answer there is no latency."""
        values = [figure(results) for results in self.of(name)]
        if None in values:
            raise Missing(f"{name}: no message of that kind was answered, so it has no latency")
        return statistics.median(values)


@dataclass(frozen=True)
class Observation:
    """`judge` raises Missing where it cannot."""

    text: str
    criterion: str
    judge: Callable[[Measured], Verdict]

    def verdict(self, records: Sequence[Record]) -> Verdict:
        """A case that failed leaves no verdict, whatever the others say."""
        failed = next((record for record in records if record.status == FAILED), None)
        if failed is not None:
            return Verdict(NOT_MEASURED, f"{failed.name}: {result_of(failed)}")
        try:
            return self.judge(Measured(records))
        except Missing as missing:
            return Verdict(NOT_MEASURED, str(missing))


def table_of(verdicts: Sequence[tuple[str, Observation, Verdict]]) -> Table:
    """One line for each experiment, which is named first."""
    columns = (Column("experiment", lambda line: line[0]),
               Column("observation", lambda line: line[1].text),
               Column("verdict", lambda line: line[2].outcome),
               Column("figure", lambda line: line[2].figure),
               Column("criterion", lambda line: line[1].criterion))
    return Table(columns, [[line] for line in verdicts])
