"""The difference of two figures of different items, from the interval of each: one judge then and now, for example."""

from judgeforge.statistics.bootstrap import Interval


def compute_unpaired_difference(first: Interval, second: Interval) -> Interval:
    """Compute the first figure less the second, of independent samples, with an interval of the level of both.

    The ends' distances are added as squares (Newcombe 1998, method 10, for shares; Zou & Donner 2008 for any figure):
    neither interval need be symmetric.

    Args:
        first: of the one sample.
        second: of the other.

    Returns:
        No ends where either interval has none.
    """
    if first.value is None or second.value is None:
        return Interval(None, None, None)
    difference = first.value - second.value
    if None in (first.low, first.high, second.low, second.high):
        return Interval(difference, None, None)
    assert first.low is not None and first.high is not None  # noqa: S101 - for the type checker
    assert second.low is not None and second.high is not None  # noqa: S101
    below = ((first.value - first.low) ** 2 + (second.high - second.value) ** 2) ** 0.5
    above = ((first.high - first.value) ** 2 + (second.value - second.low) ** 2) ** 0.5
    return Interval(difference, difference - below, difference + above)
