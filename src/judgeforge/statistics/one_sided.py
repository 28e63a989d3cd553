"""The interval that a promotion rests on: wider than the percentile bootstrap's where prompts are few.

A percentile interval is too narrow then: it passes a judge that is worse by the margin in 6 to 8 of 100 cases where 5
are meant (docs/decisions/0017). Two remedies are known; each end is the outer one of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from judgeforge.statistics.bootstrap import Interval, accumulate, draw, is_too_often_undefined, subtract, total
from judgeforge.statistics.measure import Array, Columns, Measure, Sums, to_dense

FEWEST_CLUSTERS = 20
"""With fewer prompts no interval is claimed: below some twenty, none of those known is to be relied on."""


@dataclass(frozen=True)
class OneSided:
    """A figure with an interval either end of which holds at the level alpha, and a test of its being above 0.

    Args:
        interval: of the confidence 1 - 2 alpha.
        p: one-sided, of the hypothesis that the figure is 0 or less: below alpha where the lower end is above 0.
        items: that it rests on.
        clusters: that these belong to.
    """

    interval: Interval
    p: float | None
    items: int
    clusters: int


def assess(
    measure: Measure,
    sides: Sequence[Columns],
    clusters: NDArray[Any],
    *,
    less: float = 0.0,
    alpha: float,
    resamples: int,
    seed: int,
) -> OneSided:
    """Compute a measure of the first side, less that of the second if there is one, with interval and p.

    Each end is the outer one of two: the percentile bootstrap's, its level widened as Student's t is against the normal
    (Hesterberg 2015, "expanded percentile"), and that of the jackknife over clusters with Student's t (MacKinnon,
    Nielsen & Webb 2023). p is the larger of theirs.

    Args:
        measure: of the columns.
        sides: one or two, row by row the same items.
        clusters: the cluster of each row.
        less: a constant to take off, such as chance.
        alpha: level of either end, below a half.
        resamples: of the clusters.
        seed: of the draws.
    """
    items, count = len(clusters), np.unique(clusters).size
    if not items:
        return OneSided(Interval(None, None, None), None, 0, 0)
    sums, frame = accumulate(measure, sides, clusters)
    value = float(subtract([measure.finish(total(each), frame) for each in sums])[0]) - less
    if np.isnan(value) or count < FEWEST_CLUSTERS:
        return OneSided(Interval(None if np.isnan(value) else value, None, None), None, items, count)
    drawn, undefined = draw(measure, sums, frame, resamples=resamples, seed=seed)
    error = _jackknife(measure, sums, frame, value + less)
    if error is None or is_too_often_undefined(undefined, resamples, 1 - 2 * alpha):
        return OneSided(Interval(value, None, None, undefined), None, items, count)
    drawn = drawn - less
    student = float(stats.t.ppf(1 - alpha, count - 1))
    level = NormalDist().cdf(-student * _widen(count))
    low, high = (float(end) for end in np.quantile(drawn, [level, 1 - level]))
    interval = Interval(value, min(low, value - student * error), max(high, value + student * error), undefined)
    return OneSided(interval, _compute_p(value, drawn, error, count), items, count)


def _widen(count: int) -> float:
    """A resample of so many clusters varies too little by this factor."""
    return float(np.sqrt(count / (count - 1)))


def _jackknife(measure: Measure, sums: Sequence[Sums], frame: Any, value: float) -> float | None:
    """Compute the standard error by leaving out one cluster each; None where that leaves no value.

    Around the value of all clusters: no smaller than around their mean (MacKinnon, Nielsen & Webb 2023, CV3).
    """
    dense = [to_dense(each) for each in sums]
    left: Array = subtract([measure.finish(total(each) - each, frame) for each in dense])
    if np.isnan(left).any():
        return None
    return float(np.sqrt((left.size - 1) / left.size * ((left - value) ** 2).sum()))


def _compute_p(value: float, drawn: Array, error: float, count: int) -> float:
    """Invert both intervals. A draw counts as one of those below, so that p is never 0 (Phipson & Smyth 2010)."""
    share = min((1 + int((drawn <= 0).sum())) / (1 + drawn.size), 1 - 1 / (1 + drawn.size))
    by_bootstrap = float(stats.t.cdf(NormalDist().inv_cdf(share) / _widen(count), count - 1))
    if error == 0:
        return by_bootstrap if value > 0 else 1.0
    return max(by_bootstrap, float(stats.t.sf(value / error, count - 1)))
