"""Attention within the rows of a packed sequence: none sees another, and nothing is computed for the space between.

On a CPU, torch's fused kernel reaches a sixth of what matrix products do, so rows of ordinary length take plain
products, in blocks of queries that see only the keys before them; `docs/experiments.md` has the measurement.
"""

from typing import Any

import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

from judgeforge.errors import InputError

PACKED_ATTENTION = "judgeforge_packed"
"""The name under which transformers knows it."""

_BLOCK = 192
"""Queries a block: fewer leave out more of the keys that come later, more are better matrix products."""
_PLAIN_TOKENS = 2048
"""Up to this length the weights of a row are kept for the backward pass; their memory grows by the square."""


def attend_within_rows(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    *,
    row_lengths: list[int] | None = None,
    row_ends: torch.Tensor | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend causally within each row, as transformers' attention functions do.

    Args:
        module: the attention layer.
        query: (1, heads, tokens, size).
        key: (1, shared heads, tokens, size); heads is a multiple of shared heads.
        value: as ``key``.
        attention_mask: not used: rows are whole, and their order is causal.
        dropout: of the weights; 0, as in every model that judges are made of.
        scaling: of the products; None: 1 / sqrt(size).
        row_lengths: tokens of each row, in order; None: one row.
        row_ends: 0 and where each row ends, as int32 on the GPU: each layer asks, and a copy there would wait for it.
        sliding_window: how many tokens one sees, itself included; None: all before.
        softcap: c of c * tanh(product / c); None: the product.
        kwargs: what else transformers hands over.

    Returns:
        The output, (1, tokens, heads, size), and no weights.

    Raises:
        InputError: the model asks for what this attention does not do.
    """
    if dropout or kwargs.get("s_aux") is not None or query.shape[0] != 1:
        raise InputError(
            "This base model's attention (dropout, sinks or padding) cannot be packed.", "choose another base model."
        )
    # Under autocast with trained weights in fp32, rotary positions leave query and key in fp32.
    query, key = query.to(value.dtype), key.to(value.dtype)
    lengths = row_lengths or [query.shape[2]]
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if query.is_cuda and query.dtype in (torch.bfloat16, torch.float16) and softcap is None:
        return _attend_on_gpu(query, key, value, lengths, row_ends, scale, sliding_window), None
    rows = zip(*(torch.split(each[0], lengths, dim=1) for each in (query, key, value)), strict=True)
    outputs = [_attend_row(*row, scale=scale, window=sliding_window, softcap=softcap) for row in rows]
    return torch.cat(outputs, dim=1).transpose(0, 1).unsqueeze(0).contiguous(), None


def _attend_on_gpu(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    lengths: list[int],
    row_ends: torch.Tensor | None,
    scale: float,
    window: int | None,
) -> torch.Tensor:
    ends = torch.tensor([0, *lengths]).cumsum(0).to(query.device, torch.int32) if row_ends is None else row_ends
    longest = max(lengths)
    queries, keys, values = (each[0].transpose(0, 1).contiguous() for each in (query, key, value))
    seen = (-1 if window is None or window > longest else window - 1, 0)
    gqa = keys.shape[1] != queries.shape[1]
    attend: Any = varlen_attn
    output: torch.Tensor = attend(
        queries, keys, values, ends, ends, longest, longest, scale=scale, window_size=seen, enable_gqa=gqa
    )
    return output.unsqueeze(0)


def _attend_row(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    scale: float,
    window: int | None,
    softcap: float | None,
) -> torch.Tensor:
    """Attend in one row: (heads, tokens, size) and (shared heads, tokens, size) to (heads, tokens, size)."""
    tokens = query.shape[1]
    if softcap is not None or (window is not None and window < tokens):
        return _attend_plainly(query, key, value, scale, window, softcap)
    if query.is_cuda or tokens > _PLAIN_TOKENS:
        grown = [each.unsqueeze(0) for each in (query, key, value)]
        return scaled_dot_product_attention(grown[0], grown[1], grown[2], is_causal=True, scale=scale, enable_gqa=True)[
            0
        ]
    return CausalBlocks.apply(query, key, value, scale)  # type: ignore[no-any-return, no-untyped-call]


def _attend_plainly(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scale: float,
    window: int | None,
    softcap: float | None,
) -> torch.Tensor:
    heads, tokens, size = query.shape
    grouped = query.reshape(key.shape[0], -1, tokens, size)
    products = (grouped @ key.unsqueeze(1).mT).float() * scale
    if softcap is not None:
        products = softcap * torch.tanh(products / softcap)
    back = torch.arange(tokens, device=query.device)
    distance = back.unsqueeze(1) - back
    hidden = (distance < 0) | (distance >= (window or tokens))
    weights = products.masked_fill(hidden, float("-inf")).softmax(-1).to(value.dtype)
    return (weights @ value.unsqueeze(1)).reshape(heads, tokens, size)


class CausalBlocks(torch.autograd.Function):
    """Causal attention of one row by plain products of blocks of queries with all keys up to their last."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
        """Return (heads, tokens, size); heads that share a key are multiplied together."""
        heads, tokens, size = query.shape
        shared = key.shape[0]
        scaled, output = query * scale, torch.empty_like(query)
        weights = []
        for start in range(0, tokens, _BLOCK):
            end = min(start + _BLOCK, tokens)
            products = scaled[:, start:end].reshape(shared, -1, size) @ key[:, :end].mT
            by_head = products.view(heads, end - start, end)
            by_head[..., start:].masked_fill_(_later(end - start, query.device), float("-inf"))
            weight = products.softmax(-1)
            output[:, start:end] = (weight @ value[:, :end]).view(heads, end - start, size)
            weights.append(weight)
        ctx.save_for_backward(scaled, key, value, *weights)
        ctx.scale = scale
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None]:
        """Return the gradients of query, key and value; sums over blocks are held in fp32."""
        (gradient,) = gradients
        scaled, key, value, *weights = ctx.saved_tensors
        (heads, tokens, size), shared = scaled.shape, key.shape[0]
        of_query = torch.empty_like(scaled)
        of_key, of_value = (torch.zeros_like(each, dtype=torch.float32) for each in (key, value))
        for start, weight in zip(range(0, tokens, _BLOCK), weights, strict=True):
            end = min(start + _BLOCK, tokens)
            came = gradient[:, start:end].reshape(shared, -1, size)
            of_value[:, :end] += weight.mT @ came
            of_weight = came @ value[:, :end].mT
            of_products = torch.ops.aten._softmax_backward_data(of_weight, weight, -1, weight.dtype)
            of_query[:, start:end] = (of_products @ key[:, :end]).view(heads, end - start, size)
            of_key[:, :end] += of_products.mT @ scaled[:, start:end].reshape(shared, -1, size)
        return of_query.mul_(ctx.scale), of_key.to(key.dtype), of_value.to(value.dtype), None


def count_kept_weights(tokens: int) -> int:
    """Count the attention weights that a head keeps of a row on a CPU, until the backward pass."""
    if tokens > _PLAIN_TOKENS:
        return 0
    starts = range(0, tokens, _BLOCK)
    return sum(min(_BLOCK, tokens - start) * min(start + _BLOCK, tokens) for start in starts)


def _later(tokens: int, device: torch.device) -> torch.Tensor:
    return torch.ones(tokens, tokens, dtype=torch.bool, device=device).triu(1)


AttentionInterface.register(PACKED_ATTENTION, attend_within_rows)
AttentionMaskInterface.register(PACKED_ATTENTION, lambda *_, **__: None)
