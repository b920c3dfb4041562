"""A case: one server, one load. What a study measures is a list of them."""

import dataclasses
from dataclasses import dataclass, field

from studies.blast import Load


@dataclass(frozen=True)
class Case:
    """Everything that decides a case's figures, besides commit and machine. Two cases that differ
    in anything have different records."""

    experiment: str  # the study's name for what belongs together, such as "matrix"
    name: str  # a person's name for the case, unique in its experiment and series
    load: Load
    series: str = ""  # cases of one experiment are comparable only within a series
    settings: dict[str, str] = field(default_factory=dict)  # CPSS_ variables
    server_cpus: tuple[int, ...] = ()
    client_cpus: tuple[int, ...] = ()
    labels: dict = field(default_factory=dict)  # what tables and charts want to know of the case
    skip: str = ""  # why it cannot be run here

    def parameters(self) -> dict:
        """As plain JSON has it."""
        parameters = dataclasses.asdict(self)
        for what in ("experiment", "name", "skip"):
            del parameters[what]
        parameters["load"]["more"] = list(self.load.more)
        return {**parameters, "server_cpus": list(self.server_cpus),
                "client_cpus": list(self.client_cpus)}


def unknown_settings(settings: dict[str, str], known: frozenset[str]) -> str:
    """Why these settings cannot be used with this server; empty if they can."""
    missing = sorted(set(settings) - known)
    return f"this cpssd has no {', '.join(missing)}" if missing else ""
