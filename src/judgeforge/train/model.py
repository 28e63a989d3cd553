"""The model to be trained: base weights, and on them adapters (LoRA, QLoRA) or nothing (full fine-tuning)."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from judgeforge.errors import InputError
from judgeforge.params import TrainParams
from judgeforge.train.adapters import add_adapters
from judgeforge.train.arithmetic import count_experts
from judgeforge.train.attention import PACKED_ATTENTION
from judgeforge.train.quantisation import build_quantisation
from judgeforge.train.zero import loads_in_parts

_PROBE_TOKENS = 8
"""Of each of the rows that are packed on trial."""
_PROBE_TOLERANCE = 0.05
"""Of the largest logit: what sums in another order leave in bf16."""


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


def build_model(base_folder: Path, params: TrainParams) -> Any:
    """Load the base model for training by ``params.method``.

    Frozen weights are held in ``params.dtype``, or in 4 bits (qlora). Trained weights are held in fp32 in all methods:
    at the learning rates of fine-tuning most updates are below bf16's resolution and would be rounded away.

    Args:
        base_folder: the base model.
        params: the section ``train``.

    Raises:
        InputError: rows of this model cannot be packed, more layers are to be adapted than there are, or there is no
            bitsandbytes for qlora.
    """
    model = AutoModelForCausalLM.from_pretrained(
        base_folder,
        dtype=torch.float32 if params.method == "full" else getattr(torch, params.dtype),
        use_safetensors=True,
        attn_implementation=PACKED_ATTENTION,
        quantization_config=build_quantisation(params.dtype) if params.method == "qlora" else None,
    )
    if not loads_in_parts():
        require_packable(model)
    model.config.use_cache = False
    return model if params.method == "full" else add_adapters(model, params.lora)


def require_packable(model: Any) -> None:
    """Check that a packed row does not feel what stands before it: models that mix neighbours cannot learn from both.

    The same row behind two others, of the same length, takes the same kernels, so that its logits are the same to the
    last bit; but for experts, who are asked in other groups.

    Raises:
        InputError: it does.
    """
    vocabulary, length = model.config.get_text_config().vocab_size, _PROBE_TOKENS
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (1, 3 * length), generator=generator).to(model.device)
    position_ids = torch.arange(length, device=model.device).repeat(1, 2)
    options = {"position_ids": position_ids, "row_lengths": [length, length], "use_cache": False}
    # With gradients: without them bitsandbytes turns weights of 4 bits into another layout, for good.
    first = model(ids[:, length:], **options).logits[0, length:].detach()
    second = model(torch.cat([ids[:, :length], ids[:, 2 * length :]], dim=1), **options).logits[0, length:].detach()
    allowed = _PROBE_TOLERANCE * first.abs().max() if count_experts(model.config.get_text_config()) else 0.0
    if (first - second).abs().max() > allowed:
        kind = model.config.model_type
        raise InputError(f"A base model of type {kind} mixes rows that are packed.", "choose another base model.")
