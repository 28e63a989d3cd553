"""The model to be trained: base weights, and on them adapters (LoRA, QLoRA) or nothing (full fine-tuning)."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from judgeforge.engines.kernels import keep_head_input_whole, needs_plain_attention
from judgeforge.errors import InputError
from judgeforge.params import TrainParams
from judgeforge.train.adapters import add_adapters
from judgeforge.train.quantisation import build_quantisation


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


def attends_plainly(base_folder: Path, longest: int) -> bool:
    """Tell whether training holds the whole matrix of attention weights.

    Args:
        base_folder: the base model; its config.json is read.
        longest: tokens of the longest row.
    """
    on_cpu = not torch.cuda.is_available()
    return needs_plain_attention(AutoConfig.from_pretrained(base_folder)) or (
        on_cpu and longest <= PLAIN_ATTENTION_TOKENS
    )


def build_model(base_folder: Path, params: TrainParams, longest: int) -> Any:
    """Load the base model for training by ``params.method``.

    Frozen weights are held in ``params.dtype``, or in 4 bits (qlora). Trained weights are held in fp32 in all methods:
    at the learning rates of fine-tuning most updates are below bf16's resolution and would be rounded away.

    Args:
        base_folder: the base model.
        params: the section ``train``.
        longest: tokens of the longest row.

    Raises:
        InputError: more layers are to be adapted than there are, or there is no bitsandbytes for qlora.
    """
    full = params.method == "full"
    dtype = torch.float32 if full else getattr(torch, params.dtype)
    model = AutoModelForCausalLM.from_pretrained(
        base_folder,
        dtype=dtype,
        use_safetensors=True,
        attn_implementation="eager" if attends_plainly(base_folder, longest) else "sdpa",
        quantization_config=build_quantisation(params.dtype) if params.method == "qlora" else None,
    )
    keep_head_input_whole(model)
    model.config.use_cache = False
    if full:
        return model
    adapted: Any = add_adapters(model, params.lora)
    if params.gradient_checkpointing:
        adapted.enable_input_require_grads()
    return adapted
