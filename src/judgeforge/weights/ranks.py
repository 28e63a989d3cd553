"""Which numbers of a tensor are its largest: found by counting, block by block, without a copy of the tensor."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from judgeforge.weights.floats import Floats

_HALF = 16
"""Bits of a float that one pass looks at."""
_LOWER = np.uint32((1 << _HALF) - 1)


@dataclass
class Cut:
    """Where the numbers end that are kept: all above ``magnitude``, and of those that equal it the first ``equals``.

    Weights in bf16 have few different values, and so have their differences: half of a tensor may be equal.
    """

    magnitude: float
    equals: int

    def apply(self, delta: Floats) -> None:
        """Set to 0 what is not kept of the tensor's next block."""
        sizes = np.abs(delta)
        dropped = sizes < self.magnitude
        equal = sizes == self.magnitude
        found = int(np.count_nonzero(equal))
        if found > self.equals:
            dropped |= equal & (equal.ravel().cumsum().reshape(equal.shape) > self.equals)
        self.equals -= min(found, self.equals)
        delta[dropped] = 0.0


def find_cuts(parts: Callable[[], Iterable[Sequence[Floats]]], density: float) -> list[Cut]:
    """Find the magnitude of rank ``density`` of several tensors in two passes of counting, upper and lower bits.

    Magnitudes of floats are ordered as their bits are, so that no copy of a tensor is needed.

    Args:
        parts: gives the tensors' blocks, one of each at a time, as often as it is called.
        density: share of the numbers that are kept, rounded down, one at least (arXiv 2306.01708, algorithm 1).
    """
    tops = _count([bits >> _HALF for bits in map(_bits, part)] for part in parts())
    ranks = [max(1, int(density * int(top.sum()))) if top.any() else 0 for top in tops]
    uppers = [_locate(top, rank) if rank else (0, 0) for top, rank in zip(tops, ranks, strict=True)]
    lows = _count(
        [bits[bits >> _HALF == upper] & _LOWER for bits, (upper, _) in zip(map(_bits, part), uppers, strict=True)]
        for part in parts()
    )
    return [
        _cut(low, rank, *upper) if rank else Cut(0.0, 0) for low, rank, upper in zip(lows, ranks, uppers, strict=True)
    ]


def _cut(low: NDArray[np.int64], rank: int, upper: int, above: int) -> Cut:
    lower, between = _locate(low, rank - above)
    return Cut(float(np.uint32(upper << _HALF | lower).view(np.float32)), rank - above - between)


def _bits(part: Floats) -> NDArray[np.uint32]:
    return np.abs(part).ravel().view(np.uint32)


def _count(parts: Iterable[Sequence[NDArray[np.integer[Any]]]]) -> list[NDArray[np.int64]]:
    totals: list[NDArray[np.int64]] = []
    for part in parts:
        totals = totals or [np.zeros(1 << _HALF, np.int64) for _ in part]
        for total, each in zip(totals, part, strict=True):
            total[:] += np.bincount(each, minlength=1 << _HALF)
    return totals


def _locate(counts: NDArray[np.int64], rank: int) -> tuple[int, int]:
    """Find the bin of the ``rank``-th largest, from 1, and how many lie in bins above it."""
    from_top = counts[::-1].cumsum()
    place = int(np.searchsorted(from_top, rank))
    above = int(from_top[place - 1]) if place else 0
    return len(counts) - 1 - place, above
