"""Whether merged weights are weights still: no NaN, no infinity, and norms that follow from the judges'."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from judgeforge.errors import InputError, JudgeforgeError
from judgeforge.weights.floats import Floats, Stored, is_finite
from judgeforge.weights.methods import Block

_LEAST, _MOST = 0.5, 2.0
"""Of a layer's merged norm over the weighted sum of the judges': two judges that have nothing in common, mixed by
halves, give 0.71; judges of one base give 1."""
_REMEDY = "look into the judges' training curves; nothing was published."


class BrokenMergeError(JudgeforgeError):
    """The merged weights are not fit to be published."""

    exit_code = 4


@dataclass(frozen=True)
class Norms:
    """Sums of squares of a tensor or some of them.

    Args:
        merged: of the merged judge.
        direct: of the direct judge.
        pairwise: of the pairwise judge.
    """

    merged: float = 0.0
    direct: float = 0.0
    pairwise: float = 0.0

    def __add__(self, other: "Norms") -> "Norms":
        return Norms(self.merged + other.merged, self.direct + other.direct, self.pairwise + other.pairwise)


def measure_norms(name: str, merged: Floats, block: Block) -> Norms:
    """Sum squares, and see that all of them are numbers.

    Args:
        name: of the tensor.
        merged: in fp32.
        block: what it was made of.

    Raises:
        InputError: a judge or the base holds NaN or infinity.
        BrokenMergeError: the merged tensor does.
    """
    squares = {}
    for whose, numbers in (("direct judge", block.direct), ("pairwise judge", block.pairwise)):
        squares[whose] = _sum_squares(numbers)
        if squares[whose] is None:
            raise InputError(f"{name} of the {whose} holds NaN or infinity.", "train that judge again.")
    total = _sum_squares(merged)
    if total is None:
        if block.base is not None and _sum_squares(block.base) is None:
            raise InputError(f"{name} of the base holds NaN or infinity.", "fetch the base again.")
        raise BrokenMergeError(f"Merged weights: {name} holds NaN or infinity.", _REMEDY)
    return Norms(total, squares["direct judge"] or 0.0, squares["pairwise judge"] or 0.0)


def _sum_squares(numbers: Floats) -> float | None:
    """Sum squares; None where one is not finite. A sum that overflows is looked into: numbers alone decide."""
    total = float(np.vdot(numbers, numbers))
    if math.isfinite(total) or bool(np.isfinite(numbers).all()):
        return total
    return None


def require_finite(name: str, merged: Stored, dtype: str) -> None:
    """See that numbers are still finite in the dtype of the output: fp16 ends at 65,504.

    Args:
        name: of the tensor.
        merged: as it will be stored.
        dtype: of the output.

    Raises:
        BrokenMergeError: one is not.
    """
    if dtype != "float32" and not is_finite(merged):
        wider = "bfloat16 or float32" if dtype == "float16" else "float32"
        raise BrokenMergeError(
            f"Merged weights: {name} holds numbers too large for {dtype}.", f"set merge.dtype to {wider}."
        )


def check_drift(norms: Mapping[str, Norms], alpha: float) -> dict[str, float]:
    """Compare each layer's norm with the judges'.

    Args:
        norms: by tensor.
        alpha: weight of the direct judge.

    Returns:
        By layer: the merged norm over alpha times the direct judge's and 1 - alpha times the other's.

    Raises:
        BrokenMergeError: a layer has shrunk or grown.
    """
    drifts = {}
    for layer, names in _group_by_layer(norms).items():
        total = sum((norms[name] for name in names), Norms())
        expected = alpha * math.sqrt(total.direct) + (1 - alpha) * math.sqrt(total.pairwise)
        drifts[layer] = math.sqrt(total.merged) / expected if expected else 1.0
        if not _LEAST <= drifts[layer] <= _MOST:
            raise BrokenMergeError(
                f"Merged weights: the norm of {layer} is {drifts[layer]:.2f} times what the judges' would give.",
                "lower merge.scaling, or see whether both judges come from one base; nothing was published.",
            )
    return drifts


def _group_by_layer(names: Iterable[str]) -> dict[str, list[str]]:
    """Group tensors by what stands up to their layer's number; those outside of layers stand alone."""
    groups: dict[str, list[str]] = {}
    for name in names:
        before, found, after = name.partition(".layers.")
        layer = f"{before}{found}{after.split('.')[0]}" if found else name.removesuffix(".weight")
        groups.setdefault(layer, []).append(name)
    return groups
