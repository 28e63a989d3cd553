"""The arithmetic of each method, on fp32 tensors; what the streaming engine computes is this and nothing else.

d and p are the direct and the pairwise judge's weights, b their base's, a ``alpha``, s ``scaling``, k ``density``.

=============== =================================================== ========================================
method          result                                              source
=============== =================================================== ========================================
linear          a d + (1 - a) p                                     arXiv 2203.05482; 2405.01535, eq. 3
slerp           on the arc from p to d, at the share a of its angle doi 10.1145/325165.325242
task_arithmetic b + s (a (d - b) + (1 - a) (p - b))                 arXiv 2212.04089; 2405.01535, eq. 5
ties            b + s x sum of what is left of a (d - b) and        arXiv 2306.01708, algorithm 1
                (1 - a) (p - b): of each its k largest, then those
                of the sign of their sum
dare_linear     as task_arithmetic; of each delta a share k by lot, arXiv 2311.03099, section 3
                divided by k
dare_ties       as dare_linear, then those of the sign of their sum arXiv 2311.03099, section 4
=============== =================================================== ========================================

a and 1 - a sum to 1. Where signs are elected, one judge alone may be left: with ``normalize`` its share then counts as
1, which is the TIES paper's mean; without, as a or 1 - a.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from judgeforge.params import MergeParams
from judgeforge.weights.floats import Floats
from judgeforge.weights.ranks import Cut, find_cuts

_PARALLEL = 0.9995
"""Cosine above which SLERP's arc is taken for a line, lest its formula divide by the sine of nothing; mergekit's."""
_ZERO_NORM = 1e-8
"""Norm below which a tensor has no direction; mergekit's."""


@dataclass(frozen=True)
class Block:
    """Some rows of one tensor, of both judges and their base, in fp32.

    Args:
        direct: of the direct judge.
        pairwise: of the pairwise judge; same shape.
        base: of their base; None where the method does without.
        lot: names tensor and place: what random numbers the block gets, whoever computes it.
    """

    direct: Floats
    pairwise: Floats
    base: Floats | None
    lot: str


@dataclass(frozen=True)
class Rule:
    """A method with its values.

    Args:
        study: looks at a whole tensor first, block by block, as often as it likes; None where nothing has to be known.
        combine: makes the merged block out of the judges' and what ``study`` found; a tensor's blocks come in order.
    """

    study: Callable[[Callable[[], Iterable[Block]]], Any] | None
    combine: Callable[[Block, Any], Floats]


def build_rule(params: MergeParams) -> Rule:
    """Build the rule of ``params.method``.

    Args:
        params: the section ``merge``.
    """
    if params.is_one_judge():
        return Rule(None, lambda block, _: block.direct if params.alpha == 1 else block.pairwise)
    return _RULES[params.method](params)


def _build_linear(params: MergeParams) -> Rule:
    return Rule(None, lambda block, _: mix(block.direct, block.pairwise, params.alpha))


def _build_slerp(params: MergeParams) -> Rule:
    return Rule(lambda blocks: _find_arc(blocks, params.alpha), lambda block, arc: _bend(block, arc, params))


def _build_task_arithmetic(params: MergeParams) -> Rule:
    return Rule(None, lambda block, _: _add_tasks(block, params))


def _build_ties(params: MergeParams) -> Rule:
    study = None if params.density == 1 else lambda blocks: find_cuts(lambda: map(_deltas, blocks()), params.density)
    return Rule(study, lambda block, cuts: _elect(block, _trim(block, cuts), params))


def _build_dare_linear(params: MergeParams) -> Rule:
    if params.density == 1:
        return _build_task_arithmetic(params)
    return Rule(None, lambda block, _: _add_dropped(block, params))


def _build_dare_ties(params: MergeParams) -> Rule:
    if params.density == 1:
        return _build_ties(params)
    return Rule(None, lambda block, _: _elect(block, _drop(block, params), params))


_RULES: dict[str, Callable[[MergeParams], Rule]] = {
    "linear": _build_linear,
    "slerp": _build_slerp,
    "task_arithmetic": _build_task_arithmetic,
    "ties": _build_ties,
    "dare_linear": _build_dare_linear,
    "dare_ties": _build_dare_ties,
}


def mix(first: Floats, second: Floats, share: float) -> Floats:
    """Return share * first + (1 - share) * second, exact where both are equal, and the same with both exchanged."""
    if share > 0.5:
        return mix(second, first, 1 - share)
    if share == 0.5:
        mixed = first + second
        mixed *= 0.5
        return mixed
    mixed = first - second
    mixed *= share
    mixed += second
    return mixed


def _base(block: Block) -> Floats:
    assert block.base is not None  # noqa: S101 - the rule says that it needs it
    return block.base


def _add_tasks(block: Block, params: MergeParams) -> Floats:
    # Equal to the sum of deltas, and to linear where scaling is 1.
    mixed = mix(block.direct, block.pairwise, params.alpha)
    if params.scaling == 1:
        return mixed
    base = _base(block)
    mixed -= base
    mixed *= params.scaling
    mixed += base
    return mixed


def _deltas(block: Block) -> tuple[Floats, Floats]:
    base = _base(block)
    return block.direct - base, block.pairwise - base


def _drop(block: Block, params: MergeParams) -> tuple[Floats, Floats]:
    """Keep each number with the probability ``density``, and divide by it, so that the mean stays."""
    deltas = _deltas(block)
    for judge, delta in enumerate(deltas):
        seed = hashlib.sha256(f"{params.seed}/{judge}/{block.lot}".encode()).digest()[:16]
        lots = np.random.Generator(np.random.Philox(key=int.from_bytes(seed, "big")))
        np.multiply(delta, lots.random(delta.shape, np.float32) < params.density, out=delta)
        np.divide(delta, params.density, out=delta)
    return deltas


def _add_dropped(block: Block, params: MergeParams) -> Floats:
    first, second = _drop(block, params)
    first *= params.alpha
    second *= 1 - params.alpha
    return _add_base(first + second, block, params)


def _add_base(total: Floats, block: Block, params: MergeParams) -> Floats:
    total *= params.scaling
    total += _base(block)
    return total


def _trim(block: Block, cuts: Sequence[Cut] | None) -> tuple[Floats, Floats]:
    deltas = _deltas(block)
    for delta, cut in zip(deltas, cuts or (), strict=False):
        cut.apply(delta)
    return deltas


def _elect(block: Block, deltas: tuple[Floats, Floats], params: MergeParams) -> Floats:
    shares = (params.alpha, 1 - params.alpha)
    for delta, share in zip(deltas, shares, strict=True):
        np.multiply(delta, share, out=delta)
    elected = deltas[0] + deltas[1] >= 0
    # A number that is nothing has no sign, and is not kept.
    kept = [np.where(elected, delta > 0, delta < 0) for delta in deltas]
    total = deltas[0] * kept[0] + deltas[1] * kept[1]
    if params.normalize:
        divisor = kept[0] * np.float32(shares[0]) + kept[1] * np.float32(shares[1])
        total /= np.where(divisor == 0, np.float32(1), divisor)
    return _add_base(total, block, params)


def _find_arc(blocks: Callable[[], Iterable[Block]], share: float) -> tuple[float, float] | None:
    """Return what direct and pairwise are multiplied by; None where their arc is a line."""
    squares, products = [0.0, 0.0], 0.0
    for block in blocks():
        squares[0] += float(np.vdot(block.direct, block.direct))
        squares[1] += float(np.vdot(block.pairwise, block.pairwise))
        products += float(np.vdot(block.direct, block.pairwise))
    norms = [math.sqrt(each) if math.sqrt(each) > _ZERO_NORM else 1.0 for each in squares]
    cosine = products / norms[0] / norms[1]
    if not abs(cosine) <= _PARALLEL:
        return None
    angle = math.acos(cosine)
    return math.sin(share * angle) / math.sin(angle), math.sin((1 - share) * angle) / math.sin(angle)


def _bend(block: Block, arc: tuple[float, float] | None, params: MergeParams) -> Floats:
    if arc is None:
        return mix(block.direct, block.pairwise, params.alpha)
    return block.direct * arc[0] + block.pairwise * arc[1]
