"""Which numbers of a tensor are its largest: found by counting, block by block, without a copy of the tensor."""

from collections.abc import Callable, Iterable, Iterator
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


def find_cut(parts: Callable[[], Iterator[Floats]], density: float) -> Cut:
    """Find the magnitude of rank ``density`` in two passes of counting, upper and lower bits: no copy of the tensor.

    Magnitudes of floats are ordered as their bits are.

    Args:
        parts: gives the tensor's blocks, as often as it is called.
        density: share of the numbers that are kept, rounded down, one at least (arXiv 2306.01708, algorithm 1).
    """
    top = _count(_bits(part) >> _HALF for part in parts())
    if not top.any():
        return Cut(0.0, 0)
    rank = max(1, int(density * int(top.sum())))
    upper, above = _locate(top, rank)
    low = _count(bits[bits >> _HALF == upper] & _LOWER for bits in map(_bits, parts()))
    lower, between = _locate(low, rank - above)
    magnitude = np.uint32(upper << _HALF | lower).view(np.float32)
    return Cut(float(magnitude), rank - above - between)


def _bits(part: Floats) -> NDArray[np.uint32]:
    return np.abs(part).ravel().view(np.uint32)


def _count(parts: Iterable[NDArray[np.integer[Any]]]) -> NDArray[np.int64]:
    total = np.zeros(1 << _HALF, np.int64)
    for part in parts:
        total += np.bincount(part, minlength=1 << _HALF)
    return total


def _locate(counts: NDArray[np.int64], rank: int) -> tuple[int, int]:
    """Find the bin of the ``rank``-th largest, from 1, and how many lie in bins above it."""
    from_top = counts[::-1].cumsum()
    place = int(np.searchsorted(from_top, rank))
    above = int(from_top[place - 1]) if place else 0
    return len(counts) - 1 - place, above
