"""What is measured of a verdict table (one judge, one benchmark), and how a missing verdict counts.

Direct: a missing score takes the middle of the scale, which carries no information, in correlations and the mean error;
it never agrees exactly. Pairwise: a missing choice is wrong; items whose gold is a tie are not counted. Measures named
``..._parsed`` leave missing verdicts out: they tell a judge that cannot judge from one that cannot keep the format.
"""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from judgeforge.grading.records import SCORES, Format
from judgeforge.statistics.bootstrap import Columns, Statistic
from judgeforge.statistics.correlation import Vector, compute_kendall, compute_pearson, compute_spearman

MIDDLE = SCORES[len(SCORES) // 2]

MAIN_MEASURE: Mapping[Format, str] = {"direct": "pearson", "pairwise": "accuracy"}
"""The measure by which judges are compared."""

CHANCE: Mapping[Format, float] = {"direct": 0.0, "pairwise": 0.5}
"""What the main measure is, on average, for verdicts drawn blindly."""


def build_columns(verdicts: pl.DataFrame) -> dict[str, Vector]:
    """Build the columns that ``MEASURES`` read, one row an item; NaN where there is nothing to count.

    Args:
        verdicts: rows of one judge and one benchmark (see ``judgeforge.verdicts.SCHEMA``).
    """
    gold_choice = pl.when(pl.col("gold_choice") != "tie").then("gold_choice")
    chosen = verdicts.select(
        gold=pl.col("gold_score").cast(pl.Float64),
        given=pl.col("score").cast(pl.Float64),
        score=pl.col("score").fill_null(MIDDLE).cast(pl.Float64),
        correct=pl.when(gold_choice.is_not_null()).then((pl.col("choice") == gold_choice).fill_null(False)),
        correct_parsed=pl.col("choice") == gold_choice,
        chose_a=pl.col("choice") == "A",
    )
    return {name: chosen[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in chosen.columns}


def _correlate(correlation: Callable[[Vector, Vector], float | None]) -> Statistic:
    return lambda columns: correlation(columns["gold"], columns["score"])


def _correlate_parsed(columns: Columns) -> float | None:
    parsed = ~np.isnan(columns["given"])
    return compute_pearson(columns["gold"][parsed], columns["given"][parsed])


def _mean(name: str) -> Statistic:
    def compute(columns: Columns) -> float | None:
        known = columns[name][~np.isnan(columns[name])]
        return float(known.mean()) if known.size else None

    return compute


def _compute_mean_error(columns: Columns) -> float | None:
    return float(np.abs(columns["score"] - columns["gold"]).mean()) if columns["gold"].size else None


def _compute_agreement(columns: Columns) -> float | None:
    return float((columns["given"] == columns["gold"]).mean()) if columns["gold"].size else None


MEASURES: Mapping[Format, Mapping[str, Statistic]] = {
    "direct": {
        "pearson": _correlate(compute_pearson),
        "spearman": _correlate(compute_spearman),
        "kendall": _correlate(compute_kendall),
        "mae": _compute_mean_error,
        "exact_agreement": _compute_agreement,
        "pearson_parsed": _correlate_parsed,
    },
    "pairwise": {
        "accuracy": _mean("correct"),
        "accuracy_parsed": _mean("correct_parsed"),
        "chosen_a_rate": _mean("chose_a"),
    },
}
"""Name to statistic of ``build_columns``, by format."""
