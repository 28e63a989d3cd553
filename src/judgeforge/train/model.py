"""The model to be trained: base weights, and on them adapters (LoRA) or nothing (full fine-tuning)."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from judgeforge.engines.kernels import keep_head_input_whole
from judgeforge.errors import InputError
from judgeforge.params import LoraParams, TrainParams


def load_tokenizer(base_folder: Path) -> Any:
    """Load the base model's tokenizer; a missing padding token becomes the end-of-turn token (padding is masked).

    Raises:
        InputError: there is no model in the folder.
    """
    if not (base_folder / "config.json").is_file():
        raise InputError(f"There is no base model in {base_folder}.", "run 'dvc repro base' first.")
    tokenizer = AutoTokenizer.from_pretrained(base_folder)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


PLAIN_ATTENTION_TOKENS = 512
"""Up to this row length plain attention is the faster on a CPU, and its memory, which grows by the square, is small."""


def build_model(base_folder: Path, params: TrainParams, longest: int) -> Any:
    """Load the base model for training by ``params.method``.

    Frozen weights are held in ``params.dtype``. Trained weights are held in fp32 in both methods: at the learning rates
    of fine-tuning most updates are below bf16's resolution and would be rounded away.

    Args:
        base_folder: the base model.
        params: the section ``train``.
        longest: tokens of the longest row.
    """
    full = params.method == "full"
    dtype = torch.float32 if full else getattr(torch, params.dtype)
    plain = not torch.cuda.is_available() and longest <= PLAIN_ATTENTION_TOKENS
    model = AutoModelForCausalLM.from_pretrained(
        base_folder, dtype=dtype, use_safetensors=True, attn_implementation="eager" if plain else "sdpa"
    )
    keep_head_input_whole(model)
    model.config.use_cache = False
    if full:
        return model
    adapted = get_peft_model(model, _lora_config(model, params.lora))
    if params.gradient_checkpointing:
        adapted.enable_input_require_grads()
    return adapted


def _lora_config(model: Any, lora: LoraParams) -> LoraConfig:
    layers = model.config.num_hidden_layers
    if lora.last_layers is not None and lora.last_layers > layers:
        raise InputError(
            f"train.lora.last_layers is {lora.last_layers}, but the base model has {layers} layers.",
            f"set it to {layers} or less, or to null for all.",
        )
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        # "all-linear" would do, but peft takes layers_to_transform only with a list.
        target_modules=_linear_names(model),
        layers_to_transform=None if lora.last_layers is None else list(range(layers - lora.last_layers, layers)),
        task_type="CAUSAL_LM",
    )


def _linear_names(model: Any) -> list[str]:
    head = model.get_output_embeddings()
    names = {
        name.rsplit(".", 1)[-1]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    return sorted(names)
