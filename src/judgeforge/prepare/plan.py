"""What goes where: duplicates, pairs, split, caps, placement and order, decided on keys before any text is rendered."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from judgeforge.params import PrepareParams
from judgeforge.prepare.hashing import draw, draw_shares, to_keys
from judgeforge.prepare.pairing import Pairs, build_pairs, build_responses, place_pairs
from judgeforge.prepare.split import choose_capped_prompts, choose_validation_prompts

DIRECT_SETS = ("direct", "validation_direct")
PAIRWISE_SETS = ("pairwise", "validation_pairwise")
SETS = (*DIRECT_SETS, *PAIRWISE_SETS)

_INSTRUCTIONS_SHUFFLED = 8
"""How many instructions' examples stand mixed."""

_SAME_ROW = ["prompt", "response", "rubric", "reference", "score", "feedback"]
_SAME_PAIR = ["prompt", "response_a", "response_b", "rubric", "reference", "a_is_better", "feedback"]


@dataclass(frozen=True)
class Plan:
    """The sets as places of rows.

    Args:
        sets: by name, in the order of the files: of direct ones ``bucket``, ``place`` and ``number`` (the row's); of
            pairwise ones ``bucket``, ``place_a``, ``place_b``, ``median_a``, ``median_b``, ``own`` (a compared row,
            at ``place_a``), ``a_is_better``. All have ``example`` (number in the set), ``prompt``, ``shows_reference``.
        graded: keys of the graded rows without duplicates.
        holders: ``row_id`` of every drawn graded row, duplicates included, with the ``number`` of the row that was
            kept of it and its ``response_index``.
        compared: keys of the compared rows without duplicates; ``row_id`` and ``number`` of all of them in
            ``compared_holders``.
        counts: rows and pairs that were left out, by reason.
    """

    sets: dict[str, pl.DataFrame]
    graded: pl.DataFrame
    holders: pl.DataFrame
    compared_holders: pl.DataFrame
    counts: dict[str, int]


def build_plan(graded: pl.DataFrame, compared: pl.DataFrame, params: PrepareParams) -> Plan:
    """Decide on every row.

    Args:
        graded: keys of the graded rows, with ``bucket`` and ``place``.
        compared: keys of the compared rows, likewise.
        params: of the stage.

    Raises:
        InputError: the cap lets nothing through, or there are too many pairs.
    """
    seed = params.seed
    drawn, drawn_pairs = graded.filter(pl.col("copies") > 0), compared.filter(pl.col("copies") > 0)
    kept = drawn.unique(_SAME_ROW, keep="first", maintain_order=True)
    kept_pairs = drawn_pairs.unique(_SAME_PAIR, keep="first", maintain_order=True)
    responses = build_responses(kept)
    pairs = build_pairs(responses, params.max_pairs_per_instruction, seed)
    prompts = pl.concat([kept["prompt"], kept_pairs["prompt"]])
    held_back = choose_validation_prompts(prompts, params.validation_fraction, seed)
    sets, counts = {}, {}
    for name, validation in zip(DIRECT_SETS, (False, True), strict=True):
        rows = _take_side(kept, held_back, validation)
        rows, counts[f"capped_{name}"] = _cap(rows, None if validation else params.max_rows_per_format, seed)
        sets[name] = _arrange(rows, name, params).select("example", *_OWNER, "place", "number", "shows_reference")
    candidates = pl.concat([_describe_pairs(pairs, responses), _describe_own(kept_pairs)])
    for name, validation in zip(PAIRWISE_SETS, (False, True), strict=True):
        rows = _take_side(candidates, held_back, validation)
        rows, counts[f"capped_{name}"] = _cap(rows, None if validation else params.max_rows_per_format, seed)
        sets[name] = _arrange(_place(rows, seed), name, params)
    counts |= {
        "not_drawn": graded.height + compared.height - drawn.height - drawn_pairs.height,
        "duplicates": drawn.height + drawn_pairs.height - kept.height - kept_pairs.height,
        "equal_pairs": pairs.equal,
        "surplus_pairs": pairs.capped,
    }
    return Plan(sets, kept, _find_holders(drawn, kept, responses), _find_pair_holders(drawn_pairs, kept_pairs), counts)


_OWNER = ("bucket", "prompt")
_SIDES = [f"{side}{part}" for part in ("", "_index", "_median", "_length") for side in ("better", "worse")]


def _take_side(rows: pl.DataFrame, held_back: pl.Series, validation: bool) -> pl.DataFrame:
    inside = pl.col("prompt").is_in(held_back.implode())
    if validation:
        return rows.filter(inside).with_columns(pl.lit(0, dtype=pl.UInt8).alias("copy"))
    rows = rows.filter(~inside)
    copies = rows["copies"].to_numpy()
    repeated = rows[np.repeat(np.arange(rows.height), copies)]
    starts = np.cumsum(copies, dtype=np.int64) - copies
    numbers = np.arange(repeated.height) - np.repeat(starts, copies)
    return repeated.with_columns(pl.Series("copy", numbers, dtype=pl.UInt8))


def _cap(rows: pl.DataFrame, limit: int | None, seed: int) -> tuple[pl.DataFrame, int]:
    if limit is None or rows.height <= limit:
        return rows, 0
    kept = rows.filter(pl.col("prompt").is_in(choose_capped_prompts(rows["prompt"], limit, seed).implode()))
    return kept, rows.height - kept.height


def _arrange(rows: pl.DataFrame, name: str, params: PrepareParams) -> pl.DataFrame:
    """Shuffle, number the examples, and draw whose reference is shown (whole instructions).

    Within a bucket, some instructions at a time, in a drawn order, are shuffled together: far enough apart for whoever
    reads the files as they are, near enough for zstd to see that their texts repeat (a quarter of size and time).
    """
    prompts = to_keys(rows["prompt"])
    drawn = {
        "turn": draw(params.seed, "turn", prompts),
        "shuffled": draw(params.seed, name, to_keys(rows["order"]), to_keys(rows["copy"])),
        "shows_reference": draw_shares(params.seed, "reference", prompts) < params.reference_probability,
    }
    turn = (pl.col("turn").rank("dense").over("bucket") - 1) // _INSTRUCTIONS_SHUFFLED
    return (
        rows.with_columns(pl.Series(key, values) for key, values in drawn.items())
        .sort("bucket", turn, "shuffled")
        .drop("turn", "shuffled")
        .with_row_index("example")
    )


def _describe_pairs(pairs: Pairs, responses: pl.DataFrame) -> pl.DataFrame:
    better, worse = responses[pairs.frame["better"]], responses[pairs.frame["worse"]]
    order = draw(0, "pair", to_keys(better["order"]), to_keys(worse["order"]))
    sides = [
        side.select(
            pl.col("place").alias(name),
            pl.col("response_index").alias(f"{name}_index"),
            pl.col("median").alias(f"{name}_median"),
            pl.col("length").alias(f"{name}_length"),
            pl.col("copies").alias(f"{name}_copies"),
        )
        for name, side in (("better", better), ("worse", worse))
    ]
    frame = pl.concat([better.select("bucket", "prompt"), *sides], how="horizontal")
    return frame.select(
        *("bucket", "prompt", pl.Series("order", order)),
        pl.min_horizontal("better_copies", "worse_copies").alias("copies"),
        pl.lit(False).alias("own"),
        *_SIDES,
        pl.lit(None, dtype=pl.Boolean).alias("fixed"),
    )


def _describe_own(rows: pl.DataFrame) -> pl.DataFrame:
    """Describe compared rows as pairs: their place is in the compared rows' store, their placement their own."""
    a_first = pl.col("a_is_better")
    return rows.select(
        *("bucket", "prompt", "order", "copies"),
        pl.lit(True).alias("own"),
        *(pl.col("place").alias(name) for name in ("better", "worse")),
        *(pl.col("number").alias(name) for name in ("better_index", "worse_index")),
        *(pl.lit(None, dtype=pl.Float64).alias(name) for name in ("better_median", "worse_median")),
        pl.when(a_first).then("length_a").otherwise("length_b").alias("better_length"),
        pl.when(a_first).then("length_b").otherwise("length_a").alias("worse_length"),
        a_first.alias("fixed"),
    )


def _place(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    free = rows.filter(pl.col("fixed").is_null())
    own = rows.filter(pl.col("fixed").is_not_null())
    at_a = int(own["fixed"].sum())
    ids = (to_keys(free["order"]), to_keys(free["copy"]))
    placed = pl.concat(
        [
            free.with_columns(place_pairs(ids, seed, (at_a, own.height - at_a))),
            own.with_columns(pl.col("fixed").alias("a_is_better")),
        ]
    ).drop("fixed")
    sides = [
        pl.when("a_is_better").then(f"better{part}").otherwise(f"worse{part}").alias(f"{name}_a")
        for name, part in (("place", ""), ("index", "_index"), ("median", "_median"))
    ] + [
        pl.when("a_is_better").then(f"worse{part}").otherwise(f"better{part}").alias(f"{name}_b")
        for name, part in (("place", ""), ("index", "_index"), ("median", "_median"))
    ]
    dropped = [f"{side}{part}" for side in ("better", "worse") for part in ("", "_index", "_median")]
    return placed.with_columns(sides).drop(dropped)


def _find_holders(drawn: pl.DataFrame, kept: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    group = ["prompt", "rubric", "reference", "response"]
    with_index = kept.select(*_SAME_ROW, "number").join(
        responses.select(*group, "response_index"), on=group, maintain_order="left"
    )
    return (
        drawn.select("row_id", *_SAME_ROW)
        .join(with_index.select(*_SAME_ROW, "number", "response_index"), on=_SAME_ROW, maintain_order="left")
        .select("row_id", "number", "response_index")
    )


def _find_pair_holders(drawn: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    return (
        drawn.select("row_id", *_SAME_PAIR)
        .join(kept.select(*_SAME_PAIR, "number"), on=_SAME_PAIR, maintain_order="left")
        .select("row_id", "number")
    )
