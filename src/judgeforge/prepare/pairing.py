"""From single grades to pairs: all different responses of one instruction and rubric whose scores differ.

A response's score is the median of its graders' (the labels of one response disagree often enough that pairs by single
labels would come out both ways). A response is never paired with itself. All of it works on keys (``keys.py``).
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl

from judgeforge.errors import InputError
from judgeforge.prepare.hashing import draw, to_keys

GROUP = ("prompt", "rubric", "reference")
"""What two responses must share to be compared."""

_RESPONSES_OF_LARGE_GROUP = 200
_MOST_COMBINATIONS = 50_000_000
_JOINED_ROWS = 4_000_000


@dataclass(frozen=True)
class Pairs:
    """Combinations of responses.

    Args:
        frame: ``better`` and ``worse``, indices into the responses, and ``prompt``.
        equal: combinations that were left out for equal scores.
        capped: combinations that were left out by the cap.
    """

    frame: pl.DataFrame
    equal: int
    capped: int


def build_responses(rows: pl.DataFrame) -> pl.DataFrame:
    """Join the rows of each response.

    Args:
        rows: keys of graded rows, in reading order.

    Returns:
        One row a response, in the order of its first row: the columns of the grader nearest to the median (the first
        of several), its row's ``copies`` the most of all graders', ``median``, and ``response_index``.
    """
    group = [*GROUP, "response"]
    with_median = rows.with_columns(
        pl.col("score").median().over(group).alias("median"),
        pl.col("copies").max().over(group).alias("copies"),
        pl.col("number").min().over(group).alias("first"),
    )
    distance = (pl.col("score") - pl.col("median")).abs()
    return (
        with_median.sort([pl.col("first"), distance, pl.col("number")])
        .unique("first", keep="first", maintain_order=True)
        .with_row_index("response_index")
    )


def build_pairs(responses: pl.DataFrame, max_pairs: int | None, seed: int) -> Pairs:
    """Pair the responses of each instruction, rubric and reference.

    Args:
        responses: of ``build_responses``.
        max_pairs: of one instruction, rubric and reference, drawn by seed; None: all. With it, no more than 200
            responses of one group are compared at all, drawn likewise.
        seed: of the draws.

    Raises:
        InputError: there are too many combinations to hold.
    """
    members = responses.select(
        pl.struct(GROUP).rank("dense").cast(pl.UInt32).alias("group"), "prompt", "response_index", "median", "order"
    )
    if max_pairs is not None:
        members = _thin(members, seed)
    sizes = members.group_by("group").len("size").sort("group")
    total = sum(math.comb(size, 2) for size in sizes["size"])
    if total > _MOST_COMBINATIONS:
        raise InputError(
            f"The responses make {total:,} combinations: an instruction has up to {max(sizes['size']):,} of them.",
            "set prepare.max_pairs_per_instruction in params.yaml.",
        )
    batches = sizes.with_columns((pl.col("size").cast(pl.UInt64).pow(2).cum_sum() // _JOINED_ROWS).alias("batch"))
    members = members.join(batches.select("group", "batch"), on="group", maintain_order="left")
    found = [_combine(part) for part in members.partition_by("batch", maintain_order=True)]
    pairs = pl.concat(found) if found else _combine(members)
    different = pairs.height
    if max_pairs is not None:
        pairs = _draw_pairs(pairs, responses, max_pairs, seed)
    return Pairs(pairs.drop("group"), total - different, different - pairs.height)


def _combine(members: pl.DataFrame) -> pl.DataFrame:
    slim = members.select("group", "prompt", "response_index", "median")
    both = slim.join(slim.drop("prompt"), on="group", suffix="_other", maintain_order="left_right")
    # Each combination appears in both orders, of which one has the better response first.
    better = both.filter(pl.col("median") > pl.col("median_other"))
    return better.select(
        "group",
        "prompt",
        pl.col("response_index").alias("better"),
        pl.col("response_index_other").alias("worse"),
    )


def _thin(members: pl.DataFrame, seed: int) -> pl.DataFrame:
    drawn = pl.Series("drawn", draw(seed, "responses", to_keys(members["order"])))
    rank = pl.col("drawn").rank("ordinal").over("group")
    return members.with_columns(drawn).filter(rank <= _RESPONSES_OF_LARGE_GROUP).drop("drawn")


def _draw_pairs(pairs: pl.DataFrame, responses: pl.DataFrame, max_pairs: int, seed: int) -> pl.DataFrame:
    order = to_keys(responses["order"])
    drawn = draw(seed, "pairs", order[pairs["better"].to_numpy()], order[pairs["worse"].to_numpy()])
    rank = pl.col("drawn").rank("ordinal").over("group")
    return pairs.with_columns(pl.Series("drawn", drawn)).filter(rank <= max_pairs).drop("drawn")


def place_pairs(ids: tuple[np.ndarray, ...], seed: int, standing: tuple[int, int] = (0, 0)) -> pl.Series:
    """Tell for each pair whether its better response is A: of half of all (give or take one), which half by seed.

    Args:
        ids: of the pairs, as arrays.
        seed: of the draw.
        standing: how many further pairs have their better response at A and B already; they are balanced, too.
    """
    count = len(ids[0])
    drawn = draw(seed, "placement", *ids)
    odd = int(draw(seed, "odd", np.zeros(1, np.uint64))[0] & np.uint64(1))
    wanted = (count + sum(standing) + odd) // 2 - standing[0]
    chosen = np.zeros(count, dtype=bool)
    chosen[np.argsort(drawn, kind="stable")[: min(max(wanted, 0), count)]] = True
    return pl.Series("a_is_better", chosen)
