"""The base model in 4 bits (QLoRA, arXiv 2305.14314): nf4 with double quantisation, through transformers."""

import torch
from transformers import BitsAndBytesConfig
from transformers.utils.import_utils import is_bitsandbytes_available

from judgeforge.errors import InputError

BITS_A_WEIGHT = 4 + 8 / 64 + 32 / (64 * 256)
"""Blocks of 64 weights have a scale of 8 bits, and 256 of those one of 32 (arXiv 2305.14314, section 3)."""

_REMEDY = "install judgeforge[qlora] where there is a device for it, or set train.method to lora."


def build_quantisation(dtype: str) -> BitsAndBytesConfig:
    """Build what tells transformers to hold linear layers in 4 bits.

    Args:
        dtype: name of the torch dtype in which they are multiplied.

    Raises:
        InputError: bitsandbytes is missing, or knows none of this machine's devices.
    """
    if not is_bitsandbytes_available():
        raise InputError("train.method qlora needs bitsandbytes, which is not installed.", _REMEDY)
    from transformers.integrations import bitsandbytes  # noqa: PLC0415 - imports the library

    if not bitsandbytes.validate_bnb_backend_availability(raise_exception=False):  # type: ignore[no-untyped-call]
        raise InputError("train.method qlora: bitsandbytes knows none of this machine's devices.", _REMEDY)
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )
