"""Rows that are there twice: equal ones, and almost equal ones (``similarity``). The first is kept.

Several graders of one response are several rows, whose scores or feedback differ: they are no duplicates.
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

from judgeforge.params import QualityParams
from judgeforge.prepare.quality.findings import Flags
from judgeforge.prepare.quality.similarity import compute_signatures, find_near

_SAME = ("instruction", "response", "reference", "criteria", "levels", "feedback", "score")
_SLICE = 20_000


def find_duplicates(rows: pl.DataFrame) -> Flags:
    """Find rows that agree with an earlier one in everything that is learnt from."""
    # Two hashes together: that rows which differ agree in both is out of the question (2 ** -128 a pair).
    # In slices, since hashing a list copies its texts.
    slices = rows.iter_slices(_SLICE) if rows.height else [rows]
    hashes = pl.concat(part.select(one=_hash_columns(_SAME, 1), two=_hash_columns(_SAME, 2)) for part in slices)
    places = hashes.with_row_index("place").with_columns(first=pl.col("place").first().over("one", "two"))
    repeated = places.filter(pl.col("first") != pl.col("place"))
    reasons = pl.Series("reason", [None] * rows.height, dtype=pl.String)
    return Flags(reasons.scatter(repeated["place"], "the same as row " + rows["row_id"].gather(repeated["first"])))


def find_near_instructions(rows: pl.DataFrame, params: QualityParams) -> tuple[Flags, pl.Series]:
    """Find rows whose instruction is almost an earlier one.

    Returns:
        what was found, and of each row the ``prompt_id`` of the instruction that stands for its own.
    """
    options = params.near_duplicates.similarity
    units = rows.group_by("prompt_id", maintain_order=True).agg(
        pl.col("instruction").first(), first=pl.col("row_id").first()
    )
    signatures = compute_signatures(units["instruction"], options)
    kept = find_near(signatures, np.zeros(units.height, dtype=np.uint64), options.threshold)
    standing = units.select(
        "prompt_id",
        stands_for=units["prompt_id"].gather(kept),
        kept_row=units["first"].gather(kept),
    )
    joined = rows.select("prompt_id").join(standing, on="prompt_id", how="left", maintain_order="left")
    reasons = joined.select(
        pl.when(pl.col("stands_for") != pl.col("prompt_id"))
        .then(pl.format("the instruction is almost that of row {}", pl.col("kept_row")))
        .alias("reason")
    )
    return Flags(reasons.to_series()), joined["stands_for"]


def find_near_responses(rows: pl.DataFrame, instructions: pl.Series, params: QualityParams) -> Flags:
    """Find rows whose response is almost an earlier one to the same instruction, by the same rubric, with one score.

    Args:
        rows: of the collection.
        instructions: of each row, the ``prompt_id`` that stands for its instruction.
        params: of the checks.
    """
    options = params.near_duplicates.similarity
    numbered = rows.select("response", "prompt_id", "criteria", "score", "row_id", about=instructions).select(
        "response",
        "row_id",
        unit=_hash_columns(("prompt_id", "criteria", "score", "response"), 1),
        group=_hash_columns(("about", "criteria", "score"), 1),
    )
    units = numbered.group_by("unit", maintain_order=True).agg(
        pl.col("response", "group").first(), first=pl.col("row_id").first()
    )
    # A response that is alone in its group has nothing to be compared with: most sets are made of such.
    units = units.filter(pl.len().over("group") > 1)
    signatures = compute_signatures(units["response"], options)
    kept = find_near(signatures, units["group"].to_numpy(), options.threshold)
    dropped = units.with_columns(kept_row=units["first"].gather(kept)).filter(pl.col("kept_row") != pl.col("first"))
    joined = numbered.select("unit").join(
        dropped.select("unit", "kept_row"), on="unit", how="left", maintain_order="left"
    )
    reasons = joined.select(
        pl.when(pl.col("kept_row").is_not_null())
        .then(pl.format("the response is almost that of row {}", pl.col("kept_row")))
        .alias("reason")
    )
    return Flags(reasons.to_series())


def _hash_columns(names: Iterable[str], seed: int) -> pl.Expr:
    """Hash several columns to one; each for itself first, since hashing texts together would copy them all."""
    return pl.struct(pl.col(name).hash(seed) for name in names).hash(seed)
