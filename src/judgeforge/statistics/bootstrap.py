"""Percentile bootstrap that resamples whole clusters, since items of one prompt are not independent of one another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]
Statistic = Callable[[Columns], float | None]


@dataclass(frozen=True)
class Interval:
    """A statistic and its interval.

    Args:
        value: None where the statistic is undefined.
        low: lower end; None where the value is undefined or there are fewer than two clusters.
        high: upper end, likewise.
        undefined: resamples left out because the statistic was undefined on them.
    """

    value: float | None
    low: float | None
    high: float | None
    undefined: int = 0

    def to_json(self) -> dict[str, float | None]:
        """Return value and ends."""
        return {"value": self.value, "low": self.low, "high": self.high}


def cluster_bootstrap(
    statistic: Statistic, columns: Columns, clusters: NDArray[Any], *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Compute a statistic and its percentile interval (Efron 1979; clusters: Davison & Hinkley 1997, section 3.8).

    Args:
        statistic: from columns to a number, or None where undefined; a difference of two judges' measures on the same
            rows makes the comparison paired.
        columns: arrays of equal length, one row an item.
        clusters: the cluster of each row.
        resamples: how many draws of as many clusters as there are, with replacement.
        confidence: share of the resampled values within the interval.
        seed: equal seeds draw equal resamples of equal clusters.
    """
    value = statistic(columns) if clusters.size else None
    names, cluster_of = np.unique(clusters, return_inverse=True)
    if value is None or names.size < 2:
        return Interval(value, None, None)
    by_cluster = np.argsort(cluster_of, kind="stable")
    sizes = np.bincount(cluster_of)
    starts = np.cumsum(sizes) - sizes
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        drawn = generator.integers(names.size, size=names.size)
        rows = by_cluster[_expand(starts[drawn], sizes[drawn])]
        resampled = statistic({name: column[rows] for name, column in columns.items()})
        if resampled is not None:
            found.append(resampled)
    if not found:
        return Interval(value, None, None, resamples)
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), resamples - len(found))


def _expand(starts: NDArray[Any], sizes: NDArray[Any]) -> NDArray[Any]:
    """Return start, start + 1, ... of every run, one run after another, without a Python loop."""
    ends = np.cumsum(sizes)
    rows: NDArray[Any] = np.arange(ends[-1]) + np.repeat(starts - ends + sizes, sizes)
    return rows
