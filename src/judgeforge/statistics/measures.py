"""What is measured of judged items (one judge, one benchmark, one method), and how a missing verdict counts.

Direct: a missing score takes the middle of the scale, which carries no information, in correlations and the mean error;
it never agrees exactly. Pairwise: a missing choice is wrong; items whose gold is a tie are left out but where a measure
says otherwise. Measures named ``..._parsed`` leave missing verdicts out: they tell a judge that cannot judge from one
that cannot keep the format. docs/judging.md says what each figure means.
"""

from collections.abc import Mapping

import polars as pl

from judgeforge.grading.records import Format
from judgeforge.statistics.judged import MIDDLE
from judgeforge.statistics.measure import Array, Mean, Measure, Pearson, Table
from judgeforge.statistics.tables import compute_kappa, compute_kendall, compute_quadratic_kappa, compute_spearman

MAIN_MEASURE: Mapping[Format, str] = {"direct": "pearson", "pairwise": "accuracy"}
"""The measure by which judges are compared."""

CHANCE: Mapping[Format, float] = {"direct": 0.0, "pairwise": 0.5}
"""What the main measure is, on average, for verdicts drawn blindly."""

_HALF = 0.5
_CODES = {"A": 0, "B": 1, "tie": 2}


def build_columns(judged: pl.DataFrame) -> dict[str, Array]:
    """Build the columns that ``MEASURES`` read, one row an item; NaN where there is nothing to count.

    Args:
        judged: rows of one judge, benchmark and method (see ``judgeforge.statistics.judged.JUDGED_SCHEMA``).
    """
    given, swapped = pl.col("judged_given").fill_null(False), pl.col("judged_swapped").fill_null(False)
    orders = [_credit("choice_given"), _credit("choice_swapped")]
    if _is_paper(judged):
        # Upstream counts equal grades as wrong where people saw a difference (eval/utils.py, commit dcfb442).
        orders = [pl.when(pl.col("choice").is_not_null()).then(pl.col("choice") == pl.col("gold_choice"))]
    decided = pl.col("gold_choice").ne("tie")
    leanings = [_lean("choice_given", "A"), _lean("choice_swapped", "B")]
    both = pl.when(given & swapped & pl.col("choice_given").is_not_null() & pl.col("choice_swapped").is_not_null())
    # The gold of exact agreement is a whole score: the graders' median, or the mean rounded.
    whole = pl.coalesce(pl.col("graders").list.median(), "gold_score")
    asked = given.cast(pl.Float64) + swapped.cast(pl.Float64)
    columns = judged.select(
        gold=pl.col("gold_score"),
        given=pl.col("score_parsed"),
        score=pl.col("score").fill_null(MIDDLE),
        agreed=pl.when(pl.col("gold_score").is_not_null()).then(
            (round_score(pl.col("score")) == round_score(whole)).fill_null(False)
        ),
        correct=pl.when(decided).then(pl.sum_horizontal(orders) / (1 if _is_paper(judged) else asked)),
        correct_parsed=pl.when(decided).then(pl.mean_horizontal(orders)),
        correct_with_ties=pl.when(pl.col("gold_choice").is_not_null()).then(
            (pl.col("choice") == pl.col("gold_choice")).fill_null(False)
        ),
        correct_both=pl.when(decided & given & swapped).then(
            (pl.col("choice") == pl.col("gold_choice")).fill_null(False)
        ),
        consistent=both.then(pl.col("choice_given") == pl.col("choice_swapped")),
        bias=pl.mean_horizontal(leanings),
        error=(pl.col("score").fill_null(MIDDLE) - pl.col("gold_score")).abs(),
        whole_gold=round_score(whole),
        whole_score=round_score(pl.col("score")).fill_null(MIDDLE),
        gold_code=pl.col("gold_choice").replace_strict(_CODES, default=None),
        choice_code=pl.col("choice").replace_strict(_CODES, default=len(_CODES)),
        longer=_prefer_longer("choice") - _prefer_longer("gold_choice"),
    )
    return {name: columns[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in columns.columns}


def round_score(score: pl.Expr) -> pl.Expr:
    """Round to a whole score, halves up: 2.5 is a 3 wherever a whole score is wanted."""
    return (score + _HALF).floor()


def _lean(column: str, first: str) -> pl.Expr:
    """Give how much more the response shown first is preferred than it deserves; null where there is no verdict.

    Over both orders it deserves a half. In one order alone it deserves what people say of it: a judge that is right
    leans to neither side, however the better responses are placed.
    """
    return _prefer(column, first) - _prefer("gold_choice", first)


def _prefer(column: str, side: str) -> pl.Expr:
    choice = pl.col(column)
    return pl.when(choice == "tie").then(_HALF).otherwise((choice == side).cast(pl.Float64))


def _is_paper(judged: pl.DataFrame) -> bool:
    return bool((judged["mode"] == "paper").any())


def _prefer_longer(column: str) -> pl.Expr:
    """Give 1 for the longer response, half for a tie; null for equal lengths, and where there is no verdict."""
    choice, first, second = pl.col(column), pl.col("length_a"), pl.col("length_b")
    longer = pl.when(first > second).then(pl.lit("A")).when(first < second).then(pl.lit("B"))
    share = pl.when(choice == "tie").then(_HALF).otherwise((choice == longer).cast(pl.Float64))
    return pl.when(choice.is_not_null() & (first != second)).then(share)


def _credit(column: str) -> pl.Expr:
    """Give 1 for the better response, half for a tie, as a coin would get; null where there is no verdict."""
    choice = pl.col(column)
    credit = pl.when(choice == "tie").then(_HALF).otherwise((choice == pl.col("gold_choice")).cast(pl.Float64))
    return pl.when(choice.is_not_null()).then(credit)


MEASURES: Mapping[Format, Mapping[str, Measure]] = {
    "direct": {
        "pearson": Pearson("gold", "score"),
        "spearman": Table("gold", "score", compute_spearman),
        "kendall": Table("gold", "score", compute_kendall),
        "mae": Mean("error"),
        "exact_agreement": Mean("agreed", share=True),
        "quadratic_kappa": Table("whole_gold", "whole_score", compute_quadratic_kappa, square=True),
        "pearson_parsed": Pearson("gold", "given"),
    },
    "pairwise": {
        "accuracy": Mean("correct", share=True),
        "accuracy_both_orders": Mean("correct_both", share=True),
        "accuracy_with_ties": Mean("correct_with_ties", share=True),
        "accuracy_parsed": Mean("correct_parsed", share=True),
        "cohen_kappa": Table("gold_code", "choice_code", compute_kappa, square=True),
        "swap_consistency": Mean("consistent", share=True),
        "position_bias": Mean("bias"),
        "length_bias": Mean("longer"),
    },
}
"""Name to measure of ``build_columns``, by format."""
