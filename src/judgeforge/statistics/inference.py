"""Tests that take no account of clusters, corrections for many claims, and how many items a difference needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from judgeforge.statistics.bootstrap import Interval
from judgeforge.statistics.measure import Array


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test of two judges being right on the same items.

    It takes items for independent: where several items share a prompt it finds differences too easily. It is given
    for comparison with others' figures; decisions rest on the permutation test.

    Args:
        first_only: items on which the first judge alone is right.
        second_only: items on which the second alone is.
        p: two-sided; 1 where they never differ.
    """

    first_only: int
    second_only: int
    p: float


def compute_mcnemar(first: Array, second: Array) -> McNemar:
    """Compute McNemar's test (McNemar 1947), exact.

    Args:
        first: 1 where the first judge is right, 0 where it is not, NaN where that is not counted.
        second: likewise.
    """
    known = ~(np.isnan(first) | np.isnan(second))
    one, two = first[known] == 1, second[known] == 1
    table = [[int((one & two).sum()), int((one & ~two).sum())], [int((~one & two).sum()), int((~one & ~two).sum())]]
    return McNemar(table[0][1], table[1][0], float(mcnemar(table, exact=True).pvalue))


def correct_holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for a claim that holds "on at least one" of several benchmarks (Holm 1979).

    Args:
        p_values: None where there was nothing to test; it stays None and does not count.
    """
    known = [value for value in p_values if value is not None]
    corrected = iter(multipletests(known, method="holm")[1].tolist() if known else [])
    return [None if value is None else next(corrected) for value in p_values]


def compute_power_table(
    interval: Interval,
    clusters: int,
    differences: Sequence[float],
    *,
    confidence: float,
    power: float = 0.8,
    claims: int = 1,
) -> dict[float, int] | None:
    """Say how many clusters (prompts) a paired comparison needs to see each difference.

    The standard error is read off the interval of the comparison at hand and shrinks with the root of the clusters.

    Args:
        interval: of the difference of two judges.
        clusters: that it rests on.
        differences: true differences, above 0.
        confidence: of the interval, and one less the test's level.
        power: probability of seeing a difference that is there.
        claims: so many tests share the level.

    Returns:
        difference to clusters; None where the interval is undefined or has no width.
    """
    if interval.low is None or interval.high is None or interval.high <= interval.low:
        return None
    normal = NormalDist()
    level = normal.inv_cdf((1 + confidence) / 2)
    deviation = (interval.high - interval.low) / (2 * level) * clusters**0.5
    needed = normal.inv_cdf(1 - (1 - confidence) / 2 / claims) + normal.inv_cdf(power)
    return {each: int(np.ceil((needed * deviation / each) ** 2)) for each in differences}
