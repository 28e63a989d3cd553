"""From answers to one verdict an item and method: samples, orders and single grades come together here."""

import polars as pl

MIDDLE = (pl.col("lowest") + pl.col("highest")) / 2
"""The score that an unparsable answer counts as, the middle of the item's scale: it carries no information."""

JUDGED_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "judge": pl.String,
    "mode": pl.String,
    "benchmark": pl.String,
    "format": pl.String,
    "method": pl.String,
    "item_id": pl.String,
    "prompt_id": pl.String,
    "group": pl.String,
    "contaminated": pl.Boolean,
    "gold_score": pl.Float64,
    "graders": pl.List(pl.Float64),
    "gold_choice": pl.String,
    "score": pl.Float64,
    "score_parsed": pl.Float64,
    "scores": pl.List(pl.Int64),
    "choice_given": pl.String,
    "choice_swapped": pl.String,
    "judged_given": pl.Boolean,
    "judged_swapped": pl.Boolean,
    "choice": pl.String,
    "length": pl.Int64,
    "length_a": pl.Int64,
    "length_b": pl.Int64,
    "response_a": pl.String,
    "response_b": pl.String,
    "lowest": pl.Int64,
    "highest": pl.Int64,
}
"""One row an item and method: choices are named by the order given, also where the other order was shown."""

_HALF = 0.5
"""What a tie counts for either side."""

_KEYS = ["judge", "mode", "benchmark", "format", "method", "item_id"]
_FACTS = [
    "prompt_id",
    "group",
    "contaminated",
    "gold_score",
    "graders",
    "gold_choice",
    "lengths",
    "responses",
    "lowest",
    "highest",
]


def build_judged_items(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Bring the answers to each item together, in the order of the table.

    Direct: the mean over the samples, of the expectation where there is one; a sample that could not be parsed counts
    as the middle, and no verdict is left where none could (``score_parsed`` is the mean of the others alone). Pairwise:
    in each order that was judged the majority of the samples, a tie where they are split; an unparsable one is a vote
    against either response, and there is no verdict where these are half or more. Over both orders, the response that
    both prefer, otherwise a tie, and no verdict where either order has none. Direct for pairwise: the response with the
    higher grade; in ``paper`` mode, by the first samples that differ.

    Args:
        verdicts: of ``judgeforge.verdicts.SCHEMA``.

    Returns:
        a table of ``judgeforge.statistics.JUDGED_SCHEMA``.
    """
    graded = pl.coalesce("expected_score", pl.col("score").cast(pl.Float64))
    answers = verdicts.with_columns(grade=pl.when(pl.col("score").is_not_null()).then(graded))
    parts = [_join_direct(answers), _join_pairwise(answers), _join_grades(answers)]
    facts = answers.group_by(_KEYS, maintain_order=True).agg(pl.col(name).first() for name in _FACTS)
    length, response = pl.col("lengths").list, pl.col("responses").list
    pair = pl.col("format") == "pairwise"
    judged = facts.join(pl.concat(parts, how="diagonal_relaxed"), on=_KEYS, how="left", maintain_order="left")
    return judged.with_columns(
        length=pl.when(~pair).then(length.get(0, null_on_oob=True)),
        length_a=pl.when(pair).then(length.get(0, null_on_oob=True)),
        length_b=pl.when(pair).then(length.get(1, null_on_oob=True)),
        response_a=pl.when(pair).then(response.get(0, null_on_oob=True)),
        response_b=pl.when(pair).then(response.get(1, null_on_oob=True)),
    ).select(pl.col(name).cast(kind) for name, kind in JUDGED_SCHEMA.items())


def select_main(judged: pl.DataFrame) -> pl.DataFrame:
    """Keep what was judged in the benchmark's own format."""
    return judged.filter(pl.col("method") == pl.col("format"))


def _join_direct(answers: pl.DataFrame) -> pl.DataFrame:
    rows = answers.filter(pl.col("method") == "direct").sort("sample", maintain_order=True)
    parsed = pl.col("grade").is_not_null().any()
    return rows.group_by(_KEYS).agg(
        score=pl.when(parsed).then(pl.col("grade").fill_null(MIDDLE).mean()),
        score_parsed=pl.col("grade").mean(),
        scores=pl.col("score"),
    )


def _join_pairwise(answers: pl.DataFrame) -> pl.DataFrame:
    swapped = pl.col("order") == "swapped"
    exchanged = pl.col("choice").replace({"A": "B", "B": "A"})
    rows = answers.filter(pl.col("method") == "pairwise").with_columns(
        preferred=pl.when(swapped).then(exchanged).otherwise("choice")
    )
    orders = rows.group_by([*_KEYS, "order"]).agg(
        for_a=(pl.col("preferred") == "A").sum() + _HALF * (pl.col("preferred") == "tie").sum(),
        for_b=(pl.col("preferred") == "B").sum() + _HALF * (pl.col("preferred") == "tie").sum(),
        mute=pl.col("preferred").is_null().sum(),
    )
    for_a, for_b, mute = pl.col("for_a"), pl.col("for_b"), pl.col("mute")
    majority = (
        pl.when(mute >= for_a + for_b)
        .then(None)
        .when(for_a > for_b + mute)
        .then(pl.lit("A"))
        .when(for_b > for_a + mute)
        .then(pl.lit("B"))
        .otherwise(pl.lit("tie"))
    )
    orders = orders.with_columns(majority=majority)
    given, other = pl.col("order") == "given", pl.col("order") == "swapped"
    joined = orders.group_by(_KEYS).agg(
        choice_given=pl.col("majority").filter(given).first(),
        choice_swapped=pl.col("majority").filter(other).first(),
        judged_given=given.any(),
        judged_swapped=other.any(),
    )
    first, second = pl.col("choice_given"), pl.col("choice_swapped")
    verdict = (
        pl.when(~pl.col("judged_swapped"))
        .then(first)
        .when(~pl.col("judged_given"))
        .then(second)
        .when(first.is_null() | second.is_null())
        .then(None)
        .when(first == second)
        .then(first)
        .otherwise(pl.lit("tie"))
    )
    return joined.with_columns(choice=verdict)


def _join_grades(answers: pl.DataFrame) -> pl.DataFrame:
    rows = answers.filter(pl.col("method") == "direct_for_pairwise")
    grade = pl.col("grade")
    pairs = rows.group_by([*_KEYS, "sample"]).agg(
        a=grade.filter(pl.col("order") == "a").first(), b=grade.filter(pl.col("order") == "b").first()
    )
    pairs = pairs.sort("sample")
    differ = pl.col("a") != pl.col("b")
    paper = pl.col("mode").first() == "paper"
    side = {
        name: pl.when(paper)
        .then(pl.coalesce(pl.col(name).filter(differ).first(), pl.col(name).last()))
        .otherwise(pl.col(name).mean())
        for name in ("a", "b")
    }
    joined = pairs.group_by(_KEYS).agg(**side)
    first, second = pl.col("a"), pl.col("b")
    verdict = (
        pl.when(first > second)
        .then(pl.lit("A"))
        .when(first < second)
        .then(pl.lit("B"))
        .when(first == second)
        .then(pl.lit("tie"))
    )
    return joined.select(
        *_KEYS,
        choice=verdict,
        choice_given=verdict,
        choice_swapped=verdict,
        judged_given=pl.lit(True),
        judged_swapped=pl.col("mode") == "clean",
    )
