"""Draws by hash instead of by a generator: what is drawn depends on seed and ids alone, not on order or parallelism.

64 bits, the same on every machine and in every version of every library. Not for secrets.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

Keys = NDArray[np.uint64]


def hash_texts(texts: Iterable[str]) -> Keys:
    """Return 64 bits of each text's BLAKE2 digest."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def draw(seed: int, purpose: str, *parts: Keys) -> Keys:
    """Return a uniform 64-bit number for each tuple of ids.

    Args:
        seed: of the stage.
        purpose: draws for different purposes are independent of each other.
        parts: arrays of ids, of the same length.
    """
    state = np.full(len(parts[0]), hash_texts([f"{seed}/{purpose}"])[0], dtype=np.uint64)
    for part in parts:
        state = _mix(state ^ _mix(part.astype(np.uint64)))
    return state


def draw_shares(seed: int, purpose: str, *parts: Keys) -> NDArray[np.float64]:
    """Return a uniform number from 0 (included) to 1 (excluded) for each tuple of ids."""
    return np.ldexp((draw(seed, purpose, *parts) >> np.uint64(11)).astype(np.float64), -53)


def to_keys(column: pl.Series) -> Keys:
    """Return an array of ids of a column of unsigned integers."""
    return column.cast(pl.UInt64).to_numpy()


def _mix(keys: Keys) -> Keys:
    """Scramble 64 bits: SplitMix64's step (Steele, Lea and Flood 2014, doi 10.1145/2660193.2660195)."""
    with np.errstate(over="ignore"):
        keys = keys + np.uint64(0x9E3779B97F4A7C15)
        keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return keys ^ (keys >> np.uint64(31))
