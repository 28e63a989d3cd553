"""Figures of many contingency tables at once: (tables, rows, columns) of counts to (tables,), NaN where undefined.

SciPy and scikit-learn compute the same of one table; here a bootstrap needs thousands. Tests hold them together.
"""

import numpy as np

from judgeforge.statistics.measure import Array


def compute_spearman(tables: Array, rows: Array, columns: Array) -> Array:
    """Compute Spearman's rank correlation; ties share their mean rank."""
    left, right = tables.sum(axis=2), tables.sum(axis=1)
    total = left.sum(axis=1, keepdims=True)
    row_ranks, column_ranks = (np.cumsum(counts, axis=1) - counts / 2 - total / 2 for counts in (left, right))
    covariance = np.einsum("rij,ri,rj->r", tables, row_ranks, column_ranks, optimize=True)
    spread = (left * row_ranks**2).sum(axis=1) * (right * column_ranks**2).sum(axis=1)
    return _undefine(tables, _divide(covariance, np.sqrt(spread)))


def compute_kendall(tables: Array, rows: Array, columns: Array) -> Array:
    """Compute Kendall's tau-b, which corrects for ties (Kendall 1945)."""
    below = np.cumsum(tables[:, ::-1], axis=1)[:, ::-1][:, 1:]
    along = np.cumsum(below, axis=2)
    upper = tables[:, :-1]
    # Pairs whose rows and columns rise together less those that do not: behind the cell less before it.
    behind = along[:, :, -1:] - along
    concordant = (upper * behind).sum(axis=(1, 2))
    discordant = (upper[:, :, 1:] * along[:, :, :-1]).sum(axis=(1, 2))
    left, right = tables.sum(axis=2), tables.sum(axis=1)
    total = left.sum(axis=1)
    pairs = total * (total - 1) / 2
    untied = (pairs - _count_ties(left)) * (pairs - _count_ties(right))
    return _undefine(tables, _divide(concordant - discordant, np.sqrt(untied)))


def compute_quadratic_kappa(tables: Array, rows: Array, columns: Array) -> Array:
    """Compute Cohen's kappa with quadratic weights (Cohen 1968); the margins are scores."""
    return _compute_kappa(tables, (rows[:, None] - columns[None, :]) ** 2)


def compute_kappa(tables: Array, rows: Array, columns: Array) -> Array:
    """Compute Cohen's kappa of unordered verdicts (Cohen 1960)."""
    return _compute_kappa(tables, (rows[:, None] != columns[None, :]).astype(float))


def _compute_kappa(tables: Array, weights: Array) -> Array:
    left, right = tables.sum(axis=2), tables.sum(axis=1)
    observed = (tables * weights).sum(axis=(1, 2)) * left.sum(axis=1)
    expected = np.einsum("ri,ij,rj->r", left, weights, right, optimize=True)
    return 1 - _divide(observed, expected)


def _undefine(tables: Array, values: Array) -> Array:
    """Leave no figure where either side is constant."""
    constant = ((tables.sum(axis=2) > 0).sum(axis=1) < 2) | ((tables.sum(axis=1) > 0).sum(axis=1) < 2)
    return np.where(constant, np.nan, np.clip(values, -1, 1))


def _count_ties(counts: Array) -> Array:
    ties: Array = (counts * (counts - 1) / 2).sum(axis=1)
    return ties


def _divide(numerator: Array, denominator: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator == 0, np.nan, numerator / denominator)
