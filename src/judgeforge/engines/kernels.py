"""What makes models faster on a CPU than transformers' defaults do; `docs/experiments.md` has the measurements.

Attention while judging: the fused kernel is three times as slow as plain attention where one token looks at a padded
cache, and plain attention needs rows x heads x tokens^2 numbers while it reads a prompt. So the fused kernel reads the
prompt, and a plain product decodes each token, without repeating the cache over the heads that share it.
"""

from typing import Any

import torch
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

CPU_ATTENTION = "judgeforge_cpu"
"""The name under which transformers knows it."""


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Attend from ``query`` to ``key`` and ``value``, as transformers' attention functions do.

    Args:
        module: the attention layer.
        query: (rows, heads, new tokens, size).
        key: (rows, shared heads, tokens, size); heads is a multiple of shared heads.
        value: as ``key``.
        attention_mask: (rows or 1, 1, new tokens, tokens), true where it may look; None: everywhere before.
        dropout: of the weights; for the fused kernel only, since one token at a time is never training.
        scaling: of the products; None: 1 / sqrt(size).
        kwargs: what else the fused kernel takes.

    Returns:
        The output, (rows, new tokens, heads, size), and no weights.
    """
    if query.shape[2] > 1 or module.training:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    rows, heads, _, size = query.shape
    shared = key.shape[1]
    products = query.view(rows, shared, heads // shared, size) @ key.transpose(2, 3)
    weights = products.float() * (size**-0.5 if scaling is None else scaling)
    if attention_mask is not None:
        weights = weights.masked_fill(~attention_mask[..., : key.shape[2]], float("-inf"))
    return (weights.softmax(-1).to(value.dtype) @ value).reshape(rows, 1, heads, size), None


def needs_plain_attention(config: Any) -> bool:
    """Tell whether fused kernels would compute something else than the model means, in training as in judging.

    They know neither sinks (GPT-OSS) nor caps of the logits (Gemma 2).

    Args:
        config: of a causal language model in transformers.
    """
    kind = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    capped = getattr(config.get_text_config(), "attn_logit_softcapping", None) is not None
    return capped or not getattr(kind, "_supports_sdpa", False)


def keep_head_input_whole(model: Any) -> None:
    """Copy the last columns together before the vocabulary's product: for a slice, torch copies its matrix a row.

    Args:
        model: a causal language model, changed in place.
    """
    model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(),))


AttentionInterface.register(CPU_ATTENTION, attend)
AttentionMaskInterface.register(CPU_ATTENTION, sdpa_mask)
