"""Which instruction a row belongs to, and on which side of the split that instruction lies."""

import hashlib
import random
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from judgeforge.errors import InputError


class OfPrompt(Protocol):
    """Anything that belongs to one instruction."""

    @property
    def prompt_id(self) -> str:
        """The instruction it belongs to."""
        ...


Row = TypeVar("Row", bound=OfPrompt)


def compute_prompt_id(instruction: str) -> str:
    """Return a short stable digest of the instruction's text without surrounding white space."""
    return hashlib.sha256(instruction.strip().encode()).hexdigest()[:16]


def choose_validation_prompts(prompt_ids: Iterable[str], fraction: float, seed: int) -> frozenset[str]:
    """Choose the instructions that are kept from training.

    Args:
        prompt_ids: of all rows; repetitions do not matter.
        fraction: share of the instructions; at least one of two or more unless it is 0, never all.
        seed: of the choice.
    """
    shuffled = _shuffle(prompt_ids, f"{seed}/split")
    count = min(round(len(shuffled) * fraction), len(shuffled) - 1)
    if fraction > 0 and len(shuffled) > 1:
        count = max(count, 1)
    return frozenset(shuffled[:count])


def cap_rows(rows: Sequence[Row], limit: int | None, seed: int) -> list[Row]:
    """Keep whole instructions, drawn by seed, while their rows fit below ``limit``.

    Raises:
        InputError: not even one instruction fits.
    """
    if limit is None or len(rows) <= limit:
        return list(rows)
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[row.prompt_id] = sizes.get(row.prompt_id, 0) + 1
    kept: set[str] = set()
    room = limit
    for prompt_id in _shuffle(sizes, f"{seed}/cap"):
        if sizes[prompt_id] <= room:
            kept.add(prompt_id)
            room -= sizes[prompt_id]
    if not kept:
        raise InputError(
            f"prepare.max_rows_per_format is {limit}, but every instruction has more rows than that.",
            f"set it to {min(sizes.values())} or more, or to null.",
        )
    return [row for row in rows if row.prompt_id in kept]


def _shuffle(prompt_ids: Iterable[str], seed: str) -> list[str]:
    shuffled = sorted(set(prompt_ids))
    random.Random(seed).shuffle(shuffled)
    return shuffled
