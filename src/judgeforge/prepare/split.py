"""Which instruction a row belongs to, and on which side of the split that instruction lies."""

import hashlib
import unicodedata

import polars as pl

from judgeforge.errors import InputError
from judgeforge.prepare.hashing import draw, to_keys


def compute_prompt_id(instruction: str) -> str:
    """Return a short stable digest of the instruction's text, whatever its white space and Unicode's way to compose it.

    So copies of one instruction that were exported differently are one instruction, on one side of the split.
    """
    text = " ".join(unicodedata.normalize("NFC", instruction).split())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def choose_validation_prompts(prompts: pl.Series, fraction: float, seed: int) -> pl.Series:
    """Choose the instructions that are kept from training.

    Args:
        prompts: keys of the instructions of all rows; repetitions do not matter.
        fraction: share of the instructions; at least one of two or more unless it is 0, never all.
        seed: of the choice.
    """
    shuffled = shuffle_prompts(prompts, seed, "split")
    count = min(round(len(shuffled) * fraction), len(shuffled) - 1)
    if fraction > 0 and len(shuffled) > 1:
        count = max(count, 1)
    return shuffled.head(max(count, 0))


def choose_capped_prompts(prompts: pl.Series, limit: int | None, seed: int) -> pl.Series:
    """Choose whole instructions, drawn by seed, while their rows fit below ``limit``.

    Args:
        prompts: the key of each row's instruction.
        limit: most rows; None: no cap.
        seed: of the draw.

    Raises:
        InputError: not even one instruction fits.
    """
    if limit is None or len(prompts) <= limit:
        return prompts.unique()
    sizes: dict[int, int] = dict(prompts.value_counts(name="rows").iter_rows())
    kept: list[int] = []
    room = limit
    for prompt in shuffle_prompts(prompts, seed, "cap"):
        if sizes[prompt] <= room:
            kept.append(prompt)
            room -= sizes[prompt]
    if not kept:
        raise InputError(
            f"prepare.max_rows_per_format is {limit}, but every instruction has more rows than that.",
            f"set it to {min(sizes.values())} or more, or to null.",
        )
    return pl.Series(kept, dtype=pl.UInt64)


def shuffle_prompts(prompts: pl.Series, seed: int, purpose: str) -> pl.Series:
    """Return the different instructions in an order drawn by seed."""
    different = prompts.cast(pl.UInt64).unique().sort()
    order = pl.Series(draw(seed, purpose, to_keys(different)))
    return different.gather(order.arg_sort())
