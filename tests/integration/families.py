"""Random models of the families that judges are made from, as small as their architectures allow."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    Qwen2Config,
    Qwen2MoeConfig,
    Qwen3Config,
)

from judgeforge.base.miniature import build_tokenizer

_SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 8192,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
_MIXTURE = {"num_local_experts": 4, "num_experts_per_tok": 2}
_SHARED = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
_SHARED |= {"shared_expert_intermediate_size": 32, "decoder_sparse_step": 1}

FAMILIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "llama": (LlamaConfig, {}),  # SmolLM2, too
    "mistral": (MistralConfig, {"sliding_window": None}),
    "qwen2": (Qwen2Config, {}),
    "qwen3": (Qwen3Config, {}),
    "gemma2": (Gemma2Config, {}),
    "gemma3": (Gemma3TextConfig, {}),
    "mixtral": (MixtralConfig, _MIXTURE),
    "qwen2_moe": (Qwen2MoeConfig, _SHARED),
}


def build_family(name: str, folder: Path, seed: int = 0) -> Path:
    """Write a random model of a family, with the miniature's tokenizer, and return its folder."""
    kind, more = FAMILIES[name]
    tokenizer = build_tokenizer()
    torch.manual_seed(seed)
    model: Any = AutoModelForCausalLM.from_config(kind(vocab_size=len(tokenizer), **_SIZES, **more))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
