"""Rows as numbers: what must be known of all rows at once to decide on each, in some hundred bytes a row."""

import numpy as np
import polars as pl

from judgeforge.prepare.hashing import Keys, draw, draw_shares, hash_texts, to_keys


def build_graded_keys(rows: pl.DataFrame, *, first: int, weight: float, seed: int) -> pl.DataFrame:
    """Return the keys of a chunk of ``GRADED`` rows of one source.

    Args:
        rows: the chunk.
        first: number of its first row among all rows.
        weight: of the source.
        seed: of the stage.
    """
    keys = _build_owner(rows, first, weight, seed)
    return keys.with_columns(
        _hash(rows, "response"),
        _hash(rows, "feedback"),
        rows["score"].cast(pl.Int32),
        rows["lowest"].cast(pl.Int32),
        (rows["lowest"] + rows["levels"].list.len() - 1).cast(pl.Int32).alias("highest"),
        rows["response"].str.len_chars().cast(pl.UInt32).alias("length"),
    )


def build_compared_keys(rows: pl.DataFrame, *, first: int, weight: float, seed: int) -> pl.DataFrame:
    """Return the keys of a chunk of ``COMPARED`` rows of one source; arguments as above."""
    keys = _build_owner(rows, first, weight, seed)
    return keys.with_columns(
        _hash(rows, "response_a"),
        _hash(rows, "response_b"),
        _hash(rows, "feedback"),
        (rows["choice"] == "A").alias("a_is_better"),
        rows["response_a"].str.len_chars().cast(pl.UInt32).alias("length_a"),
        rows["response_b"].str.len_chars().cast(pl.UInt32).alias("length_b"),
    )


def _build_owner(rows: pl.DataFrame, first: int, weight: float, seed: int) -> pl.DataFrame:
    order = hash_texts(_name_rows(rows))
    prompts = _parse_prompts(rows["prompt_id"])
    source = hash_texts([rows["source"][0]] if rows.height else []).repeat(rows.height)
    whole = int(weight)
    extra = draw_shares(seed, "weight", source, prompts) < weight - whole
    return pl.DataFrame(
        {
            "number": pl.Series(np.arange(first, first + rows.height), dtype=pl.UInt32),
            "row_id": rows["row_id"],
            "order": pl.Series(order, dtype=pl.UInt64),
            "prompt": pl.Series(prompts, dtype=pl.UInt64),
            "drawn": pl.Series(draw(seed, "bucket", prompts), dtype=pl.UInt64),
            "rubric": rows.select(pl.struct("criteria", "levels", "lowest").hash())["criteria"],
            "reference": _hash(rows, "reference"),
            "copies": pl.Series(whole + extra.astype(np.uint8), dtype=pl.UInt8),
        }
    )


def _name_rows(rows: pl.DataFrame) -> pl.Series:
    """Return ids that differ between sources, too: those that rows bring may not."""
    whole = pl.col("row_id").str.starts_with(pl.col("source"))
    named = pl.when(whole).then("row_id").otherwise(pl.concat_str("source", pl.lit(":"), "row_id"))
    return rows.select(named.alias("row_id"))["row_id"]


def _parse_prompts(prompt_ids: pl.Series) -> Keys:
    return to_keys(prompt_ids.str.to_integer(base=16, dtype=pl.UInt64)) if len(prompt_ids) else np.empty(0, np.uint64)


def _hash(rows: pl.DataFrame, name: str) -> pl.Series:
    # For equality alone, in one process: nothing that is written depends on the value.
    return rows[name].hash().alias(name)
