"""The merged judge says a few words before anybody sees it: weights that pass every check may yet not load."""

from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from judgeforge.errors import EnvironmentFault
from judgeforge.weights.drift import BrokenMergeError

_QUESTION = "Is the answer '4' right for the question '2 + 2 = ?'"
_WORDS = 16
_FAULTS = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, ImportError, SafetensorError)
"""What transformers raises where a folder is no model, a tokenizer no tokenizer or a chat template none."""
_GB = 1e9
_REMEDY = "load the judges one by one to see which does not answer; nothing was published."


def say_something(folder: Path, dtype: str) -> str:
    """Load a merged judge, and let it answer a question.

    Args:
        folder: weights, configuration and tokenizer.
        dtype: of the weights.

    Returns:
        What it said: greedy, a few tokens.

    Raises:
        BrokenMergeError: it does not load whole, or its logits are not finite.
        EnvironmentFault: the machine's memory does not hold it.
    """
    _check_memory(folder)
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model = _load(folder, dtype)
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": _QUESTION}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            finite = bool(torch.isfinite(model(**prompt).logits).all())
            said = model.generate(**prompt, max_new_tokens=_WORDS, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    except _FAULTS as error:
        fault = str(error).strip().partition("\n")[0] or type(error).__name__
        raise BrokenMergeError(f"The merged judge does not answer: {fault}.", _REMEDY) from error
    if not finite:
        raise BrokenMergeError(
            "The merged judge's logits are not finite.",
            f"choose a wider merge.dtype than {dtype}, or look into the judges' training; nothing was published.",
        )
    return str(tokenizer.decode(said, skip_special_tokens=True))


def _check_memory(folder: Path) -> None:
    need = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    free = psutil.virtual_memory().available
    if need > free:
        raise EnvironmentFault(
            f"To let the merged judge speak takes {need / _GB:,.1f} GB of memory, and {free / _GB:,.1f} GB are free.",
            "merge on a larger machine, or set merge.canary to false; nothing was published.",
        )


def _load(folder: Path, dtype: str) -> Any:
    """Load the model; transformers fills what is missing by chance, and says so in a warning."""
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, dtype), use_safetensors=True, output_loading_info=True
    )
    model, found = loaded
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if found[what]:
            names = ", ".join(sorted(map(str, found[what]))[:3])
            raise BrokenMergeError(f"The merged judge does not load whole ({what}): {names}.", _REMEDY)
    model.train(False)
    return model
