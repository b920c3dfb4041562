"""Interleaved pairs of runs: how one compares with the other."""

import statistics
from collections.abc import Callable, Sequence

from studies.verdict import Measured, Missing


def ratios(measured: Measured, of: str, to: str, figure: Callable[[dict], float]) -> list[float]:
    """Of each pair. Raises Missing if there are fewer than two."""
    values = [figure(a) / figure(b) for a, b in zip(measured.of(of), measured.of(to))]
    if len(values) < 2:
        raise Missing("fewer than two pairs")
    return values


def quartile_range(values: Sequence[float]) -> float:
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low


def text_of(values: Sequence[float]) -> str:
    return (f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f} in "
            f"{len(values)} pairs)")
