"""Pearson, Spearman and Kendall tau-b of two vectors; None where one is constant, since no correlation is defined then.

Written for the bootstrap's inner loop: SciPy's own functions also compute p-values, at ten times the cost.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Vector = NDArray[Any]


def compute_pearson(first: Vector, second: Vector) -> float | None:
    """Return the product-moment correlation."""
    if _is_constant(first) or _is_constant(second):
        return None
    left, right = first - first.mean(), second - second.mean()
    # Each side is scaled on its own: the product of two tiny sums of squares could vanish.
    value = float((left / np.linalg.norm(left)) @ (right / np.linalg.norm(right)))
    return min(1.0, max(-1.0, value))


def compute_spearman(first: Vector, second: Vector) -> float | None:
    """Return the rank correlation; ties share their mean rank."""
    return compute_pearson(rankdata(first), rankdata(second))


def compute_kendall(first: Vector, second: Vector) -> float | None:
    """Return tau-b, which corrects for ties (Kendall 1945), from the table of how often each pair of values occurs."""
    if _is_constant(first) or _is_constant(second):
        return None
    rows, row_of = np.unique(first, return_inverse=True)
    columns, column_of = np.unique(second, return_inverse=True)
    table = np.bincount(row_of * columns.size + column_of, minlength=rows.size * columns.size)
    table = table.reshape(rows.size, columns.size).astype(float)
    below = np.cumsum(table[::-1], axis=0)[::-1][1:]
    right = np.cumsum(below[:, ::-1], axis=1)[:, ::-1][:, 1:]
    left = np.cumsum(below, axis=1)[:, :-1]
    concordant = float((table[:-1, :-1] * right).sum())
    discordant = float((table[:-1, 1:] * left).sum())
    pairs = first.size * (first.size - 1) / 2
    row_ties, column_ties = _count_tied_pairs(table.sum(axis=1)), _count_tied_pairs(table.sum(axis=0))
    return (concordant - discordant) / float(np.sqrt((pairs - row_ties) * (pairs - column_ties)))


def _is_constant(values: Vector) -> bool:
    return values.size < 2 or bool((values == values[0]).all())


def _count_tied_pairs(counts: Vector) -> float:
    return float((counts * (counts - 1) / 2).sum())
