"""The interval that a promotion rests on: wider than the percentile bootstrap's where that is too narrow.

A percentile interval passes a judge that is worse by the margin in 6 to 13 of 100 cases where 5 are meant: where there
are few prompts, or judges are nearly always right (docs/decisions/0017). Of the remedies each end is the outermost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from judgeforge.statistics.bootstrap import Interval, accumulate, draw, is_too_often_undefined, subtract, total
from judgeforge.statistics.measure import Array, Columns, Mean, Measure, to_dense

FEWEST_CLUSTERS = 20
"""With fewer prompts no interval is claimed: below some twenty, none of those known is to be relied on."""

_ONE_LOST, _ONE_WON = [0.0, 1.0], [1.0, 1.0]
"""A prompt of one item, as ``Mean`` adds it up."""


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


class _Bounds(NamedTuple):
    low: float
    high: float
    p: float


def assess(
    measure: Measure,
    sides: Sequence[Columns],
    clusters: NDArray[Any],
    *,
    chance: float | None = None,
    alpha: float,
    resamples: int,
    seed: int,
) -> OneSided:
    """Compute a measure of the first side, less that of the second if there is one, with interval and p.

    Each end is the outermost of these: the percentile bootstrap's, its level widened as Student's t is against the
    normal (Hesterberg 2015, "expanded percentile"); that of the jackknife over clusters with Student's t (MacKinnon,
    Nielsen & Webb 2023); and of a share, the jackknife's with one item more that is won and one that is lost (Bonett &
    Price 2012): judges that are right nearly everywhere differ on too few items to show by how much. p is the largest
    of theirs.

    Args:
        measure: of the columns.
        sides: one or two, row by row the same items.
        clusters: the cluster of each row.
        chance: is taken off where there is no second side, and where the second's value is undefined: it always says
            the same. None: nothing is.
        alpha: level of either end, below a half.
        resamples: of the clusters.
        seed: of the draws.
    """
    items, count = len(clusters), np.unique(clusters).size
    if not items:
        return OneSided(Interval(None, None, None), None, 0, 0)
    sums, frame = accumulate(measure, sides, clusters)
    values = [measure.finish(total(each), frame) for each in sums]
    value = float(subtract(values, chance)[0])
    if np.isnan(value) or count < FEWEST_CLUSTERS:
        return OneSided(Interval(None if np.isnan(value) else value, None, None), None, items, count)
    drawn, undefined = draw(measure, sums, frame, resamples=resamples, seed=seed, chance=chance)
    dense = [to_dense(each) for each in sums]
    left = [measure.finish(total(each) - each, frame) for each in dense]
    if np.isnan(subtract(left, chance)).any() or is_too_often_undefined(undefined, resamples, 1 - 2 * alpha):
        return OneSided(Interval(value, None, None, undefined), None, items, count)
    found = [_bootstrap(drawn, count, alpha), _jackknife(value, subtract(left, chance), alpha)]
    if isinstance(measure, Mean) and measure.share:
        found.append(_imagine(measure, dense, chance, alpha))
    lows, highs, ps = zip(*found, strict=True)
    return OneSided(Interval(value, min(lows), max(highs), undefined), max(ps), items, count)


def _bootstrap(drawn: Array, count: int, alpha: float) -> _Bounds:
    """Take the percentiles. A draw counts as one of those below 0, so that p is never 0 (Phipson & Smyth 2010)."""
    widened = float(np.sqrt(count / (count - 1)))  # a resample of so many clusters varies too little by this factor
    level = NormalDist().cdf(-float(stats.t.ppf(1 - alpha, count - 1)) * widened)
    low, high = (float(end) for end in np.quantile(drawn, [level, 1 - level]))
    share = min((1 + int((drawn <= 0).sum())) / (1 + drawn.size), 1 - 1 / (1 + drawn.size))
    return _Bounds(low, high, float(stats.t.cdf(NormalDist().inv_cdf(share) / widened, count - 1)))


def _jackknife(value: float, left: Array, alpha: float) -> _Bounds:
    """Take the standard error from leaving out one cluster each.

    Around the value of all clusters: no smaller than around their mean (MacKinnon, Nielsen & Webb 2023, CV3).
    """
    degrees = left.size - 1
    error = float(np.sqrt(degrees / left.size * ((left - value) ** 2).sum()))
    reach = float(stats.t.ppf(1 - alpha, degrees)) * error
    p = float(stats.t.sf(value / error, degrees)) if error else float(value <= 0)
    return _Bounds(value - reach, value + reach, p)


def _imagine(measure: Mean, sums: Sequence[Array], chance: float | None, alpha: float) -> _Bounds:
    """Add two prompts of one item: on one the first side alone is right, on the other it alone is wrong."""
    rows = [[_ONE_WON, _ONE_LOST], [_ONE_LOST, _ONE_WON]]
    more = [np.vstack([each, added]) for each, added in zip(sums, rows[: len(sums)], strict=True)]
    value = subtract([measure.finish(total(each), None) for each in more], chance)
    left = subtract([measure.finish(total(each) - each, None) for each in more], chance)
    return _jackknife(float(value[0]), left, alpha)
