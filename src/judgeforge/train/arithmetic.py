"""How much arithmetic training needs, and how much the device could do: the model FLOP utilisation (arXiv 2204.02311).

Counted is what the result needs: no padding, nothing that checkpointing computes again, and of attention the half that
a causal mask leaves.
"""

import time
from dataclasses import dataclass
from typing import Any

import torch

_DENSE_BF16 = {"H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}
"""Peak of dense bf16 products, FLOP a second, by a part of the device's name, the longer first; makers' data sheets."""

_SIDE, _TRIALS = 2048, 8
"""Of the product that measures a device without a data sheet."""


@dataclass(frozen=True)
class Arithmetic:
    """What one token costs.

    Args:
        used: weights multiplied with each token, but for the head; of experts those that are asked.
        passed: those of them through which a gradient has to go on.
        trained: those that are trained.
        head: weights of the head, used for learnt tokens.
        attention: layers x heads x size, with a gradient; each token meets the tokens before it.
    """

    used: float
    passed: float
    trained: float
    head: float
    attention: float

    def count(self, lengths: list[int], learnt: int) -> float:
        """Return the floating-point operations of a step over rows of ``lengths`` tokens, ``learnt`` of them learnt."""
        products = 2 * (self.used + self.passed + self.trained) * sum(lengths)
        # Forward two products of (tokens, tokens, size) a head, backward four; the mask leaves half of each.
        attended = 12 * self.attention * sum(length * (length + 1) / 2 for length in lengths)
        return products + attended + 4 * self.head * learnt


def count_arithmetic(model: Any) -> Arithmetic:
    """Count the weights of ``model`` by their part in a training step."""
    config = model.config.get_text_config()
    outside = {id(each.weight) for each in (model.get_input_embeddings(), model.get_output_embeddings())}
    share = (getattr(config, "num_experts_per_tok", None) or 1) / (count_experts(config) or 1)
    first = _first_trained_layer(model)
    used = passed = trained = 0.0
    for name, parameter in model.named_parameters():
        if id(parameter) in outside or getattr(parameter, "ds_shape", parameter.shape)[1:] == ():
            continue
        size = _numel(parameter) * (share if "experts" in name else 1.0)
        used += size
        passed += size * (_layer_of(name) >= first)
        trained += size * parameter.requires_grad
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    width = config.num_attention_heads * size
    # Layers below the first trained one go forward alone: a third of the products.
    layers = config.num_hidden_layers - first * 2 / 3
    return Arithmetic(used, passed, trained, _numel(model.get_output_embeddings().weight), layers * width)


def count_experts(config: Any) -> int | None:
    """Return how many experts a layer has; None where there are none."""
    names = ("num_local_experts", "num_experts", "n_routed_experts")
    return next((value for name in names if (value := getattr(config, name, None))), None)


def _numel(parameter: Any) -> int:
    """Count a weight's numbers; one that ZeRO-3 has split knows how many it had."""
    return int(getattr(parameter, "ds_numel", parameter.numel()))


def _layer_of(name: str) -> int:
    _, _, rest = name.partition(".layers.")
    number = rest.split(".", 1)[0]
    return int(number) if number.isdigit() else 0


def _first_trained_layer(model: Any) -> int:
    return min((_layer_of(name) for name, each in model.named_parameters() if each.requires_grad), default=0)


@dataclass(frozen=True)
class Peak:
    """What a device can do at most.

    Args:
        flops: floating-point operations a second.
        source: where the figure comes from.
    """

    flops: float
    source: str


def find_peak(dtype: torch.dtype) -> Peak:
    """Look up the peak of a GPU; measure a matrix product on any other device.

    Args:
        dtype: of the products.
    """
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
        if dtype == torch.bfloat16:
            for name, flops in _DENSE_BF16.items():
                if all(part in device for part in name.split()):
                    return Peak(flops, f"data sheet of the {name}, dense bf16")
        return Peak(measure_products(dtype, "cuda"), f"measured product on {device}")
    return Peak(measure_products(dtype, "cpu"), f"measured product, {torch.get_num_threads()} threads")


def measure_products(dtype: torch.dtype, device: str) -> float:
    """Return the floating-point operations a second of a product of two square matrices, the best of some trials."""
    side = _SIDE * (4 if device == "cuda" else 1)
    # A generator of its own: a measurement must not change what the run draws.
    generator = torch.Generator(device).manual_seed(0)
    left, right = (torch.randn(side, side, generator=generator, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(_TRIALS):
        started = time.perf_counter()
        left @ right
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best
