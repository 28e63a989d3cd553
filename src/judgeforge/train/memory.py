"""How much memory a run will need, estimated from the model's shape alone, before anything is loaded.

What autograd keeps of a layer was counted by its own hooks on models of each family (tests/integration/test_memory.py
repeats that), not taken from a formula in the literature: those are of other implementations. The estimate adds what
does not always coincide, and so leans high; docs/training-recipes.md has its error against measured peaks.
"""

from dataclasses import dataclass
from typing import Literal

from judgeforge.params import TrainParams
from judgeforge.train.attention import count_kept_weights
from judgeforge.train.quantisation import BITS_A_WEIGHT
from judgeforge.train.skeleton import Skeleton

Sharding = Literal["none", "zero2", "zero3"]
_FP32 = 4
_MOMENTS = 8
"""Bytes a trained weight: AdamW's two moments in fp32."""
_OFFLOADED = 28
"""Bytes a trained weight in the host's memory, as seen of DeepSpeed 0.19.8 under ZeRO-3: weights in fp32 and bf16,
moments, gradients, and locked buffers, whose sizes are rounded up."""
_PROGRAM = {"cpu": 1_000_000_000, "gpu": 700_000_000}
"""Bytes of Python and its libraries on a CPU; on a GPU, of the CUDA context and its kernels' workspace."""
_SLACK = {"cpu": 0.05, "gpu": 0.1}
"""Share of activations and logits that the allocator holds beyond them: glibc's, as measured; of a GPU's, assumed."""
_MASK = {"cpu": _FP32, "gpu": 1}
"""Bytes of what dropout keeps of a number: torch's plain code keeps a factor of what it drops out of, in fp32."""


@dataclass(frozen=True)
class Step:
    """What goes through the model at once on one device.

    Args:
        lengths: tokens of each row.
        learnt: tokens whose logits are held at a time.
        on_gpu: where no kernel holds weights of attention, but for models that cap them.
    """

    lengths: tuple[int, ...]
    learnt: int
    on_gpu: bool

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return sum(self.lengths)


@dataclass(frozen=True)
class Spread:
    """How a run is spread over devices.

    Args:
        processes: devices.
        sharding: what of the model's state each device holds only its share of: with ``zero2`` gradients and moments,
            with ``zero3`` the weights, too (arXiv 1910.02054).
        offload: whether moments, and the weights that they change, are in the host's memory.
        kind: of the devices.
    """

    processes: int
    sharding: Sharding
    offload: bool
    kind: Literal["cpu", "gpu"]


@dataclass(frozen=True)
class Memory:
    """Bytes on one device, by what they are for.

    Args:
        frozen: weights that are not trained.
        trained: weights that are, in fp32.
        copies: those in bf16, which autocast makes for a step; with ZeRO-3 the layer that is gathered.
        gradients: of trained weights.
        moments: of AdamW.
        activations: what autograd keeps of layers until it has gone back through them.
        backward: gradients of what one layer keeps, while autograd goes back through it.
        logits: of learnt tokens, and what their loss keeps.
        slack: of the allocator.
        program: see above.
        host: what lies in the host's memory instead; no part of the total.
    """

    frozen: int
    trained: int
    copies: int
    gradients: int
    moments: int
    activations: int
    backward: int
    logits: int
    slack: int
    program: int
    host: int

    @property
    def total(self) -> int:
        """Bytes on the device."""
        state = self.frozen + self.trained + self.copies + self.gradients + self.moments
        return state + self.activations + self.backward + self.logits + self.slack + self.program


def estimate_memory(skeleton: Skeleton, params: TrainParams, step: Step, spread: Spread) -> Memory:
    """Estimate a run's peak on one device.

    Args:
        skeleton: the model.
        params: the section ``train``.
        step: what goes through it at once.
        spread: over devices.
    """
    width = 2 if params.dtype == "bfloat16" else _FP32
    state_share = spread.processes if spread.sharding != "none" else 1
    weight_share = spread.processes if spread.sharding == "zero3" else 1
    trained, moments = skeleton.trained * _FP32 // weight_share, skeleton.trained * _MOMENTS // state_share
    gathered = skeleton.parameters // skeleton.layers * width if spread.sharding == "zero3" else 0
    activations, backward = _count_activations(skeleton, params, step, width)
    # The loss's softmax in fp32, its gradient, and the logits or their gradient in the dtype they came in.
    logits = step.learnt * skeleton.vocabulary * (2 * _FP32 + width)
    copies = skeleton.trained * 2 // weight_share if width == 2 else 0
    if spread.offload and spread.sharding == "zero3":
        copies = 0  # they come from the host's memory, too, a layer at a time
    return Memory(
        frozen=_count_frozen(skeleton, params, width) // weight_share,
        trained=0 if spread.offload else trained,
        copies=copies + gathered,
        gradients=0 if spread.offload else skeleton.trained * _FP32 // state_share,
        moments=0 if spread.offload else moments,
        activations=activations,
        backward=backward,
        logits=logits,
        slack=int(_SLACK[spread.kind] * (activations + logits)),
        program=_PROGRAM[spread.kind],
        host=skeleton.trained * _OFFLOADED // state_share if spread.offload else 0,
    )


def _count_frozen(skeleton: Skeleton, params: TrainParams, width: int) -> int:
    if params.method == "full":
        return 0
    if params.method == "lora":
        return skeleton.parameters * width
    return int(skeleton.linear * BITS_A_WEIGHT / 8) + (skeleton.parameters - skeleton.linear) * width


def _count_activations(skeleton: Skeleton, params: TrainParams, step: Step, width: int) -> tuple[int, int]:
    """Count what autograd keeps: of all learning layers, or of one, and of the others the stream between them.

    Returns:
        That, and what it keeps of one layer.
    """
    layer = step.tokens * _count_layer(skeleton, params, width, _MASK["gpu" if step.on_gpu else "cpu"])
    layer += skeleton.heads * sum(_count_attention(skeleton, length, step.on_gpu, width) for length in step.lengths)
    kept = layer + _count_whole_experts(skeleton, width)
    # Trained weights are in fp32, and with them the stream is, whatever the products are made in.
    stream = step.tokens * skeleton.hidden * (_FP32 if params.method == "full" else width)
    if params.gradient_checkpointing:
        return skeleton.layers * stream + kept, layer
    return skeleton.learning_layers * kept, layer


def _count_attention(skeleton: Skeleton, length: int, on_gpu: bool, width: int) -> int:
    """Count the bytes of weights that one head keeps of one row."""
    if skeleton.capped:
        return length**2 * (2 * _FP32 + (width if width == 2 else 0))
    return 0 if on_gpu else count_kept_weights(length) * width


def _count_layer(skeleton: Skeleton, params: TrainParams, width: int, mask: int) -> int:
    """Count the bytes that one token leaves in one layer: with modules as they come, or with ours (train/fused.py)."""
    adapted, halved = skeleton.targets is not None, width == 2
    dropped = adapted and params.lora.dropout > 0
    whole = params.distribution.engine != "zero3"
    # The weights of qlora are in 4 bits, and its adapters stay peft's.
    ours, ours_between = (
        whole and params.method == "lora" and not dropped,
        whole and not (params.liger or params.compile),
    )
    # Under autocast, and with dropout, each linear layer has its own copy of its input; else they share one.
    apart = (halved or dropped) and not ours
    numbers = (3 if apart else 1) * skeleton.hidden + (3 if halved and adapted and not ours else 2) * skeleton.query
    numbers += (2 if apart else 1) * skeleton.hidden * bool(skeleton.inner) + 2 * skeleton.key
    numbers += (3 if ours_between else 4) * skeleton.inner
    numbers += 7 * params.lora.rank if adapted else 0
    masks = mask * (5 * skeleton.hidden + skeleton.query + skeleton.inner) if dropped else 0
    # Norms work in fp32, and keep their input; a trained one its product, too. Ours keep what is normed, as it came.
    kept = width if ours_between and skeleton.plain_norms else _FP32
    norms = (kept if adapted else 2 * _FP32) * skeleton.norms
    return width * numbers + masks + norms + _FP32 * skeleton.heads + _count_experts(skeleton, width)


def _count_experts(skeleton: Skeleton, width: int) -> int:
    """Count the bytes that one token leaves in the experts of one layer, which read several copies of it."""
    numbers = skeleton.experts_a_token * (2 * skeleton.hidden + 4 * skeleton.expert_inner)
    # Autocast does not know their fused product: it is made in the dtype of the weights.
    own = width if skeleton.targets is not None else _FP32
    return own * numbers + _FP32 * skeleton.hidden * bool(skeleton.experts)


def _count_whole_experts(skeleton: Skeleton, width: int) -> int:
    """Count a layer's experts with their adapters added, which peft makes of fused weights, and their gradient."""
    if skeleton.targets is None or not skeleton.targets.experts:
        return 0
    return 2 * skeleton.experts * 3 * skeleton.hidden * skeleton.expert_inner * width
