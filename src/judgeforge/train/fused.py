"""What a training step does between its matrix products, in fewer passes over memory than the libraries' own modules.

peft multiplies adapters in fp32 or casts their input twice, and adds their output in a pass of its own; transformers'
norms and gated units keep a copy of every step for the backward pass. A module is exchanged only where a trial shows
that its replacement gives the same. `docs/experiments.md` has the measurement.
"""

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch.nn import functional

from judgeforge.errors import InputError

_TRIAL_ROWS = 4
_TOLERANCE = 0.02
"""Largest difference in a trial, relative to the largest value: what bf16 leaves of 8 bits after two roundings."""


def fuse_modules(model: Any, dtype: torch.dtype, *, adapters_only: bool) -> dict[str, int]:
    """Exchange the forward functions of modules, in place.

    Args:
        model: weights in place, on their device; not partitioned by ZeRO-3, whose weights come by calls of modules.
        dtype: of the products.
        adapters_only: leave norms and gated units alone, where Liger or torch.compile takes care of them.

    Returns:
        How many modules of each kind were exchanged.
    """
    counts = {"adapters": 0, "norms": 0, "gated_units": 0}
    for module in model.modules():
        kind, replacement = _find_replacement(module, adapters_only)
        if replacement is not None and _agrees(module, replacement, dtype):
            module.forward = replacement
            counts[kind] += 1
    return counts


def require_liger() -> None:
    """Check that Liger's kernels can be had.

    Raises:
        InputError: they cannot.
    """
    if not torch.cuda.is_available() or importlib.util.find_spec("liger_kernel") is None:
        raise InputError(
            "train.liger is true, but there is no GPU, or the package liger-kernel is not installed.",
            "install judgeforge[gpu] on a machine with a GPU, or set train.liger to false.",
        )


def compile_modules(model: Any) -> None:
    """Compile norms and gated units where they stand: attention, whose rows change with each batch, stays outside."""
    for module in model.modules():
        if type(module).__name__.endswith(("RMSNorm", "MLP")):
            module.compile(dynamic=True)


def _find_replacement(module: Any, adapters_only: bool) -> tuple[str, Callable[..., Any] | None]:
    if isinstance(module, LoraLinear):
        return "adapters", _replace_adapter(module)
    if not adapters_only:
        if type(module).__name__.endswith("RMSNorm") and not module.weight.requires_grad:
            epsilon = getattr(module, "variance_epsilon", None)
            if epsilon is not None:
                return "norms", partial(_norm, module, epsilon)
        if all(hasattr(module, name) for name in ("gate_proj", "up_proj", "down_proj", "act_fn")):
            return "gated_units", partial(_gated_unit, module)
    return "", None


def _replace_adapter(module: Any) -> Callable[..., Any] | None:
    names = module.active_adapters
    base = module.base_layer
    plain = type(base) is torch.nn.Linear and base.bias is None and not base.weight.requires_grad
    if len(names) != 1 or not plain or module.merged or getattr(module, "lora_variant", None):
        return None
    if not isinstance(module.lora_dropout[names[0]], torch.nn.Identity):
        return None
    return partial(_adapted, module, names[0])


def _adapted(module: Any, name: str, x: torch.Tensor) -> torch.Tensor:
    down, up = module.lora_A[name].weight, module.lora_B[name].weight
    return AdaptedLinear.apply(x, module.base_layer.weight, down, up, module.scaling[name])  # type: ignore[no-any-return, no-untyped-call]


def _norm(module: Any, epsilon: float, x: torch.Tensor) -> torch.Tensor:
    return FrozenNorm.apply(x, module.weight, epsilon)  # type: ignore[no-any-return, no-untyped-call]


def _gated_unit(module: Any, x: torch.Tensor) -> Any:
    return module.down_proj(GatedUnit.apply(module.gate_proj(x), module.up_proj(x)))  # type: ignore[no-untyped-call]


def _agrees(module: Any, replacement: Callable[..., Any], dtype: torch.dtype) -> bool:
    """Try both on random input; adapters start as zero, so theirs is given values for the trial."""
    weight = next(module.parameters())
    width = module.in_features if hasattr(module, "in_features") else _input_width(module)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, _TRIAL_ROWS, width, generator=generator).to(weight.device, dtype)
    kept = {name: each.detach().clone() for name, each in module.named_parameters() if "lora_B" in name}
    half = dtype == torch.bfloat16
    with torch.no_grad(), torch.autocast(x.device.type, torch.bfloat16, enabled=half):
        for name, each in module.named_parameters():
            if name in kept:
                each.copy_(torch.randn(each.shape, generator=generator) / each.shape[1])
        expected, ours = module(x), replacement(x)
        for name, value in kept.items():
            module.get_parameter(name).copy_(value)
    bound = _TOLERANCE if half else _TOLERANCE / 1000
    return bool((expected - ours).abs().max() <= bound * expected.abs().max().clamp(min=1e-6))


def _input_width(module: Any) -> int:
    projection = getattr(module, "gate_proj", None)
    return int(module.weight.shape[0] if projection is None else projection.in_features)


class AdaptedLinear(torch.autograd.Function):
    """x W' + s (x A') B', the adapter's part added by the product that computes it."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, down: torch.Tensor, up: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """Multiply in the dtype of ``weight`` (out, in); ``down`` is (rank, in) and ``up`` (out, rank)."""
        rows = x.reshape(-1, x.shape[-1]).to(weight.dtype)
        ctx.scaling, ctx.shape, ctx.dtype, ctx.trained = scaling, x.shape, x.dtype, up.dtype
        down, up = down.to(weight.dtype), (up * scaling).to(weight.dtype)
        inner = rows @ down.t()
        output = rows @ weight.t()
        output.addmm_(inner, up.t())
        ctx.save_for_backward(rows, weight, down, up, inner)
        return output.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of x and of both adapter matrices, each in its own dtype."""
        rows, weight, down, up, inner = ctx.saved_tensors
        came = gradients[0].reshape(-1, weight.shape[0])
        of_inner = came @ up
        of_down = (of_inner.t() @ rows).to(ctx.trained)
        of_up = (came.t() @ inner).to(ctx.trained) * ctx.scaling
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = (came @ weight).addmm_(of_inner, down).view(ctx.shape).to(ctx.dtype)
        return of_x, None, of_down, of_up, None


class GatedUnit(torch.autograd.Function):
    """silu(gate) * up (arXiv 2002.05202), whose factors are computed again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """Return the product, of the same shape."""
        ctx.save_for_backward(gate, up)
        return functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the gradients of gate and up."""
        gate, up = ctx.saved_tensors
        (came,) = gradients
        return torch.ops.aten.silu_backward(came * up, gate), functional.silu(gate).mul_(came)


class FrozenNorm(torch.autograd.Function):
    """x / rms(x) * weight (arXiv 1910.07467), the weight not trained; the mean square is summed in fp32."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        """Normalise the last dimension of ``x``."""
        rows = x.reshape(-1, x.shape[-1])
        sums = torch.promote_types(rows.dtype, torch.float32)
        squares = torch.linalg.vector_norm(rows, dim=-1, keepdim=True, dtype=sums).square_()
        factor = squares.div_(rows.shape[-1]).add_(epsilon).rsqrt_()
        normed = torch.mul(rows, factor, out=torch.empty_like(rows))
        ctx.save_for_backward(normed, weight, factor)
        return (normed * weight).view(x.shape)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Return the gradient of x."""
        normed, weight, factor = ctx.saved_tensors
        came = gradients[0].reshape(normed.shape) * weight
        along = (torch.linalg.vecdot(came, normed) / normed.shape[-1]).unsqueeze(-1)
        of_x = torch.addcmul(came, normed, along, value=-1)
        return torch.mul(of_x, factor, out=of_x).view(gradients[0].shape), None, None
