"""A rate that is found by trying: doubled or halved from where it begins, then bisected."""

from collections.abc import Callable

NEAR_ENOUGH = 1.05  # the bisection ends when it knows the rate to within this factor
NONE_MISSED = float("inf")


def highest(keeps: Callable[[float], bool], begin: float, probes: int) -> tuple[float, float]:
    """The highest rate found that `keeps` says yes to, 0 if there is none, and the lowest that it
    says no to, NONE_MISSED if there is none; in at most so many calls."""
    kept, missed = 0.0, NONE_MISSED
    rate = begin
    for _ in range(probes):
        if keeps(rate):
            kept = rate
        else:
            missed = rate
        if kept and missed / kept <= NEAR_ENOUGH:
            break
        if not kept:
            rate = missed / 2
        elif missed == NONE_MISSED:
            rate = kept * 2
        else:
            rate = (kept * missed) ** 0.5
    return kept, missed
