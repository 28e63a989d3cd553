"""Numbers as files hold them and as they are computed with: bf16 and fp16 to fp32 and back, rounded to the nearest.

NumPy has no bf16: it is the upper half of an fp32. torch would do, and takes half as long to be imported as a merge of
1.5 billion weights takes.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Stored = NDArray[Any]
"""fp32, fp16, or the bits of bf16."""
STORED: dict[str, type[np.generic]] = {"float32": np.float32, "float16": np.float16, "bfloat16": np.uint16}
"""What holds the numbers of a dtype in memory: of bf16 its bits."""
_HALF, _BELOW_TIE = 16, 0x7FFF
_BF16_EXPONENT = 0x7F80


def widen(stored: Stored) -> Floats:
    """Return stored numbers in fp32, exactly.

    Args:
        stored: fp32, fp16, or the bits of bf16.
    """
    if stored.dtype != np.uint16:
        return stored.astype(np.float32, copy=False)
    bits = np.empty(stored.shape, np.uint32)
    np.left_shift(stored, _HALF, out=bits, dtype=np.uint32, casting="unsafe")
    return bits.view(np.float32)


def narrow(numbers: Floats, dtype: str) -> Stored:
    """Round fp32 to a dtype, ties to even; what is too large becomes infinity.

    Args:
        numbers: all finite.
        dtype: ``float32``, ``float16`` or ``bfloat16``.
    """
    if dtype == "float32":
        return numbers
    if dtype == "float16":
        with np.errstate(over="ignore"):
            return numbers.astype(np.float16)
    bits = np.ascontiguousarray(numbers).view(np.uint32)
    rounded = bits >> _HALF
    rounded &= 1
    rounded += _BELOW_TIE
    rounded += bits
    rounded >>= _HALF
    return rounded.astype(np.uint16)


def is_finite(stored: Stored) -> bool:
    """Whether no stored number is NaN or infinite."""
    if stored.dtype == np.uint16:
        return not bool(((stored & _BF16_EXPONENT) == _BF16_EXPONENT).any())
    return bool(np.isfinite(stored).all())
