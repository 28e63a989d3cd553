"""Measures as sums over clusters, so that thousands of resamples are one matrix product.

A measure is computed in two steps: ``accumulate`` adds up, for each cluster, what it needs of its items (counts,
moments, cells of a contingency table), and ``finish`` turns sums into values. A resample of clusters then is a weighted
sum of rows, and exchanging two judges' verdicts in a cluster exchanges two rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Columns = Mapping[str, NDArray[Any]]
Array = NDArray[np.float64]
Sums = Any
"""(clusters, features): an array, or a sparse matrix where there are many cells."""

_DENSE_CELLS = 1024
_CONSTANT = 1e-10
"""A variance below this share of the mean square is rounding: the values are all the same."""


class Measure(Protocol):
    """A figure of judged items."""

    def fit(self, sides: Sequence[Columns]) -> Any:
        """Find what the sums of all ``sides`` must have in common: centres, or the values of a table's margins."""
        ...

    def accumulate(self, columns: Columns, cluster_of: NDArray[np.intp], count: int, frame: Any) -> Sums:
        """Add up the items of each of ``count`` clusters."""
        ...

    def finish(self, sums: Array, frame: Any) -> Array:
        """Compute a value of each row of sums, (rows, features) to (rows,); NaN where it is undefined."""
        ...


def compute(measure: Measure, columns: Columns) -> float | None:
    """Compute a measure of all rows of ``columns``; None where it is undefined."""
    length = len(next(iter(columns.values())))
    frame = measure.fit([columns])
    sums = measure.accumulate(columns, np.zeros(length, dtype=np.intp), 1, frame)
    value = float(measure.finish(to_dense(sums), frame)[0])
    return None if np.isnan(value) else value


def to_dense(sums: Sums) -> Array:
    """Return sums as an array."""
    dense: Array = sums.toarray() if sparse.issparse(sums) else sums
    return dense


@dataclass(frozen=True)
class Mean:
    """The mean of a column, over the rows that have a value.

    Args:
        column: its name.
        share: its values lie between 0 and 1, for wrong and right.
    """

    column: str
    share: bool = False

    def fit(self, sides: Sequence[Columns]) -> None:
        """Find nothing: means have nothing in common."""

    def accumulate(self, columns: Columns, cluster_of: NDArray[np.intp], count: int, frame: None) -> Array:
        """Add up values and their number."""
        values = columns[self.column]
        known = ~np.isnan(values)
        total = np.bincount(cluster_of[known], weights=values[known], minlength=count)
        return np.column_stack([total, np.bincount(cluster_of[known], minlength=count)])

    def finish(self, sums: Array, frame: None) -> Array:
        """Divide."""
        return _divide(sums[:, 0], sums[:, 1])


@dataclass(frozen=True)
class Pearson:
    """The product-moment correlation of two columns, over the rows that have both."""

    first: str
    second: str

    def fit(self, sides: Sequence[Columns]) -> tuple[float, float]:
        """Find centres near the means, which keep the sums of squares small."""
        return tuple(  # type: ignore[return-value]
            float(np.nanmean(values)) if (~np.isnan(values)).any() else 0.0
            for values in (np.concatenate([side[name] for side in sides]) for name in (self.first, self.second))
        )

    def accumulate(
        self, columns: Columns, cluster_of: NDArray[np.intp], count: int, frame: tuple[float, float]
    ) -> Array:
        """Add up the moments."""
        x, y = columns[self.first] - frame[0], columns[self.second] - frame[1]
        known = ~(np.isnan(x) | np.isnan(y))
        x, y, of = x[known], y[known], cluster_of[known]
        features = [np.ones_like(x), x, y, x * x, y * y, x * y]
        return np.column_stack([np.bincount(of, weights=each, minlength=count) for each in features])

    def finish(self, sums: Array, frame: tuple[float, float]) -> Array:
        """Divide the covariance by both deviations."""
        n, x, y, xx, yy, xy = sums.T
        left, right = n * xx - x * x, n * yy - y * y
        constant = (left <= _CONSTANT * n * xx) | (right <= _CONSTANT * n * yy)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = (n * xy - x * y) / np.sqrt(left * right)
        return np.where(constant, np.nan, np.clip(value, -1, 1))


@dataclass(frozen=True)
class Table:
    """A figure of the contingency table of two columns, over the rows that have both.

    Args:
        first: column whose values are the table's rows.
        second: column whose values are the table's columns.
        finisher: from tables, (resamples, rows, columns), and the values of both margins to figures, (resamples,).
        square: both margins have the values of either column.
    """

    first: str
    second: str
    finisher: Callable[[Array, Array, Array], Array]
    square: bool = False

    def fit(self, sides: Sequence[Columns]) -> tuple[Array, Array]:
        """Find the values of both margins."""
        margins = [np.unique(np.concatenate([side[name] for side in sides])) for name in (self.first, self.second)]
        margins = [values[~np.isnan(values)] for values in margins]
        if self.square:
            margins = [np.union1d(*margins)] * 2
        return margins[0], margins[1]

    def accumulate(
        self, columns: Columns, cluster_of: NDArray[np.intp], count: int, frame: tuple[Array, Array]
    ) -> Sums:
        """Count the cells."""
        x, y = columns[self.first], columns[self.second]
        known = ~(np.isnan(x) | np.isnan(y))
        cells = np.searchsorted(frame[0], x[known]) * frame[1].size + np.searchsorted(frame[1], y[known])
        shape = (count, frame[0].size * frame[1].size)
        counts = sparse.coo_array((np.ones(cells.size), (cluster_of[known], cells)), shape=shape).tocsr()
        return counts if shape[1] > _DENSE_CELLS else counts.toarray()

    def finish(self, sums: Array, frame: tuple[Array, Array]) -> Array:
        """Compute the figure of each table."""
        if not (frame[0].size and frame[1].size):
            return np.full(sums.shape[0], np.nan)
        return self.finisher(sums.reshape(-1, frame[0].size, frame[1].size), *frame)


def _divide(numerator: Array, denominator: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator == 0, np.nan, numerator / denominator)
