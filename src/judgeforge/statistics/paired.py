"""The difference of two judges on the same items: one bootstrap over both, so what is hard for both cancels out."""

from typing import Any

import polars as pl

from judgeforge.errors import InputError
from judgeforge.grading.records import Format
from judgeforge.statistics.bootstrap import Columns, Interval, Statistic, cluster_bootstrap
from judgeforge.statistics.measures import MEASURES, build_columns


def compute_difference(
    first: pl.DataFrame, second: pl.DataFrame, measure: str, *, resamples: int, confidence: float, seed: int
) -> Interval:
    """Compute the first judge's measure less the second's, with a paired interval clustered by prompt.

    Items that are contaminated for either judge are left out.

    Args:
        first: judged items of one judge, on one benchmark by one method.
        second: verdicts of another on the same items, in any order.
        measure: a name in ``MEASURES`` of their format.
        resamples: of the prompt clusters.
        confidence: of the interval.
        seed: of the bootstrap.

    Raises:
        InputError: they judged different items, or the same ones against different gold verdicts.
    """
    shared = ["benchmark", "format", "item_id", "prompt_id", "gold_score", "gold_choice"]
    first, second = first.sort("item_id"), second.sort("item_id")
    if not first.select(shared).equals(second.select(shared)):
        names = " and ".join(sorted({*first["judge"], *second["judge"]}))
        raise InputError(f"{names} judged different items.", "evaluate both again with 'dvc repro'.")
    kind: Format = "direct" if first["gold_choice"].is_null().all() else "pairwise"
    clean = ~(first["contaminated"] | second["contaminated"])
    first, second = first.filter(clean), second.filter(clean)
    columns: dict[str, Any] = {}
    for side, verdicts in (("first", first), ("second", second)):
        columns |= {f"{side}.{name}": column for name, column in build_columns(verdicts).items()}
    return cluster_bootstrap(
        _subtract(MEASURES[kind][measure]),
        columns,
        first["prompt_id"].to_numpy(),
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )


def _subtract(statistic: Statistic) -> Statistic:
    def compute(columns: Columns) -> float | None:
        values = []
        for side in ("first.", "second."):
            own = {name.removeprefix(side): column for name, column in columns.items() if name.startswith(side)}
            values.append(statistic(own))
        return None if values[0] is None or values[1] is None else values[0] - values[1]

    return compute
