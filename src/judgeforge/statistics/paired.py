"""Two judges on the same items: the difference with a paired interval, and tests of whether there is any."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from judgeforge.errors import InputError
from judgeforge.grading.records import Format
from judgeforge.statistics.bootstrap import Interval, accumulate, bootstrap_difference, chunk_sizes, total
from judgeforge.statistics.measure import Columns, Measure
from judgeforge.statistics.measures import MEASURES, build_columns

_ROUNDING = 1e-12
"""Differences this close to the observed one count as equal to it."""


@dataclass(frozen=True)
class Pair:
    """Two judges' columns of the same items, row by row.

    Args:
        format: of the benchmark.
        sides: the first judge's columns and the second's.
        clusters: the prompt of each row.
    """

    format: Format
    sides: tuple[Columns, Columns]
    clusters: NDArray[np.object_]


def pair_up(first: pl.DataFrame, second: pl.DataFrame) -> Pair:
    """Bring two judges' items together; those that are contaminated for either are left out.

    Args:
        first: judged items of one judge, on one benchmark by one method.
        second: those of another on the same items, in any order.

    Raises:
        InputError: they judged in different modes, or different items, or these against different gold verdicts.
    """
    modes = {*first["mode"], *second["mode"]}
    if len(modes) > 1:
        names = " and ".join(sorted({*first["judge"], *second["judge"]}))
        raise InputError(
            f"{names} were judged in different modes ({', '.join(sorted(modes))}): their figures differ in kind.",
            "evaluate both in one mode (evaluate.mode); recorded verdicts are of the mode clean.",
        )
    shared = ["benchmark", "format", "item_id", "prompt_id", "gold_score", "gold_choice"]
    first, second = first.sort("item_id"), second.sort("item_id")
    if not first.select(shared).equals(second.select(shared)):
        names = " and ".join(sorted({*first["judge"], *second["judge"]}))
        raise InputError(f"{names} judged different items.", "evaluate both again with 'dvc repro'.")
    kind: Format = "direct" if first["gold_choice"].is_null().all() else "pairwise"
    clean = ~(first["contaminated"] | second["contaminated"])
    sides = build_columns(first.filter(clean)), build_columns(second.filter(clean))
    return Pair(kind, sides, first.filter(clean)["prompt_id"].to_numpy())


def compute_difference(
    first: pl.DataFrame, second: pl.DataFrame, measure: str, *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Compute the first judge's measure less the second's, with a paired interval clustered by prompt.

    Args:
        first: see ``pair_up``.
        second: see ``pair_up``.
        measure: a name in ``MEASURES`` of their format.
        resamples: of the prompt clusters.
        confidence: of the interval.
        seed: of the bootstrap.

    Raises:
        InputError: see ``pair_up``.
    """
    pair = pair_up(first, second)
    return bootstrap_difference(
        MEASURES[pair.format][measure],
        pair.sides,
        pair.clusters,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )


def permutation_test(
    measure: Measure, sides: Sequence[Columns], clusters: NDArray[np.object_], *, resamples: int, seed: int
) -> float | None:
    """Compute the two-sided p-value of a difference between two judges by exchanging them, cluster by cluster.

    Under the hypothesis that they do not differ, it does not matter whose verdicts on a prompt's items are whose. The
    observed arrangement counts as one of those drawn (Phipson & Smyth 2010), so p is never 0; equal judges have p = 1.

    Args:
        measure: of either side.
        sides: the two judges' columns, row by row the same items.
        clusters: the cluster of each row.
        resamples: how many arrangements are drawn.
        seed: of the draws.

    Returns:
        None where the difference is undefined.
    """
    if not clusters.size:
        return None
    (first, second), frame = accumulate(measure, sides, clusters)
    exchange = second - first
    both = total(first), total(second)
    observed = abs(float((measure.finish(both[0], frame) - measure.finish(both[1], frame))[0]))
    if np.isnan(observed):
        return None
    generator = np.random.default_rng(seed)
    extreme = defined = 0
    for size in chunk_sizes([first], resamples):
        moved = generator.integers(2, size=(size, first.shape[0])).astype(float) @ exchange
        drawn = np.abs(measure.finish(both[0] + moved, frame) - measure.finish(both[1] - moved, frame))
        defined += int((~np.isnan(drawn)).sum())
        extreme += int((drawn >= observed - _ROUNDING).sum())
    return (extreme + 1) / (defined + 1)
