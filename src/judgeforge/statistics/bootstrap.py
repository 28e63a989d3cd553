"""Percentile bootstrap that resamples whole clusters, since items of one prompt are not independent of one another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from judgeforge.statistics.measure import Array, Columns, Measure, Sums

_DIGITS = 6
"""One less 0.95 is not quite 0.05."""
_CHUNK_VALUES = 8_000_000
"""Resamples are worked on so many numbers at a time (64 MB)."""


@dataclass(frozen=True)
class Interval:
    """A figure and its interval.

    Args:
        value: None where the figure is undefined.
        low: lower end; None where the value is undefined, there are fewer than two clusters, or the figure is undefined
            on more of the resamples than may lie outside the interval.
        high: upper end, likewise.
        undefined: resamples left out because the figure was undefined on them.
    """

    value: float | None
    low: float | None
    high: float | None
    undefined: int = 0

    def to_json(self) -> dict[str, float | None]:
        """Return value and ends."""
        return {"value": self.value, "low": self.low, "high": self.high}


def cluster_bootstrap(
    measure: Measure, columns: Columns, clusters: NDArray[Any], *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Compute a measure and its percentile interval (Efron 1979; clusters: Davison & Hinkley 1997, section 3.8).

    Args:
        measure: of the columns.
        columns: arrays of equal length, one row an item.
        clusters: the cluster of each row.
        resamples: how many draws of as many clusters as there are, with replacement.
        confidence: share of the resampled values within the interval.
        seed: equal seeds draw equal resamples of equal clusters.
    """
    return bootstrap_difference(measure, [columns], clusters, resamples=resamples, confidence=confidence, seed=seed)


def bootstrap_difference(
    measure: Measure,
    sides: Sequence[Columns],
    clusters: NDArray[Any],
    *,
    resamples: int,
    confidence: float,
    seed: int,
) -> Interval:
    """Compute a measure of the first side, less that of the second if there is one, and its percentile interval.

    Both sides are resampled alike: the comparison is paired. Other arguments as in ``cluster_bootstrap``.
    """
    if not clusters.size:
        return Interval(None, None, None)
    sums, frame = accumulate(measure, sides, clusters)
    value = float(subtract([measure.finish(total(each), frame) for each in sums])[0])
    if np.isnan(value) or sums[0].shape[0] < 2:
        return Interval(None if np.isnan(value) else value, None, None)
    defined, undefined = draw(measure, sums, frame, resamples=resamples, seed=seed)
    if is_too_often_undefined(undefined, resamples, confidence):
        return Interval(value, None, None, undefined)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high), undefined)


def draw(
    measure: Measure, sums: Sequence[Sums], frame: Any, *, resamples: int, seed: int, chance: float | None = None
) -> tuple[Array, int]:
    """Draw clusters again and again; return the values where they are defined, and how many are not.

    Args:
        measure: what is computed of each resample.
        sums: of one side, or of two whose difference is taken.
        frame: of ``accumulate``.
        resamples: how many.
        seed: of the draws.
        chance: see ``subtract``.
    """
    parts = _resample(sums, resamples, seed)
    found = np.concatenate([subtract([measure.finish(each, frame) for each in weighted], chance) for weighted in parts])
    defined = found[~np.isnan(found)]
    return defined, found.size - defined.size


def is_too_often_undefined(undefined: int, resamples: int, confidence: float) -> bool:
    """Tell whether more resamples have no value than may lie outside the interval."""
    return undefined > round((1 - confidence) * resamples, _DIGITS)


def accumulate(measure: Measure, sides: Sequence[Columns], clusters: NDArray[Any]) -> tuple[list[Sums], Any]:
    """Add up each side by cluster; return the sums and the frame that they share."""
    names, cluster_of = np.unique(clusters, return_inverse=True)
    frame = measure.fit(sides)
    return [measure.accumulate(side, cluster_of, names.size, frame) for side in sides], frame


def total(sums: Sums) -> Array:
    """Add up all clusters, as one row."""
    return np.asarray(sums.sum(axis=0), dtype=float).reshape(1, -1)


def chunk_sizes(sums: Sequence[Sums], rows: int) -> Iterator[int]:
    """Cut ``rows`` rows of work on these sums into parts that fit into memory."""
    size = max(1, _CHUNK_VALUES // max(*sums[0].shape, 1))
    for start in range(0, rows, size):
        yield min(size, rows - start)


def _resample(sums: Sequence[Sums], resamples: int, seed: int) -> Iterator[list[Array]]:
    """Draw clusters with replacement and add up each side's sums of those drawn."""
    count = sums[0].shape[0]
    generator = np.random.default_rng(seed)
    for size in chunk_sizes(sums, resamples):
        drawn = generator.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(float)
        yield [weights @ each for each in sums]


def subtract(values: Sequence[Array], chance: float | None = None) -> Array:
    """Take the first side's values, less the second's if there is one, and where this is undefined, less ``chance``."""
    if len(values) == 1:
        return values[0] - (chance or 0.0)
    return values[0] - (values[1] if chance is None else np.where(np.isnan(values[1]), chance, values[1]))
