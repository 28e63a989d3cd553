"""Folding by peft, for adapters that are more than products added to matrices, and for what mergekit reads."""

from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from judgeforge.errors import InputError
from judgeforge.weights.adapters import ADAPTER_WEIGHTS


def fold_adapter(base: Path, adapter: Path, out: Path) -> None:
    """Write the full weights of a LoRA judge.

    They are kept in fp32: rounded here and again after the merge, they would be rounded twice.

    Args:
        base: the base model.
        adapter: the judge.
        out: a folder that exists.

    Raises:
        InputError: the adapter's file has other tensors than its settings say: peft would leave them out, and say so
            in a warning.
    """
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, use_safetensors=True)
    try:
        adapted = PeftModel.from_pretrained(model, adapter)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{adapter / ADAPTER_WEIGHTS} does not fit its settings: {str(error).strip().splitlines()[-1].strip()}",
            "train or fetch that judge again.",
        ) from error
    with safe_open(adapter / ADAPTER_WEIGHTS, framework="pt") as handle:
        odd = sorted(get_peft_model_state_dict(adapted).keys() ^ set(handle.keys()))
    if odd:
        raise InputError(
            f"{adapter / ADAPTER_WEIGHTS} and its settings differ in {len(odd)} tensors, such as {odd[0]}.",
            "train or fetch that judge again.",
        )
    adapted.merge_and_unload().save_pretrained(out)


def split_experts(folder: Path, dtype: str) -> None:
    """Write a mixture's experts one by one, as its family's files hold them.

    mergekit writes them fused, by the names that transformers gives them in memory. transformers reads either; vLLM and
    the next merge's checks do not.

    Args:
        folder: what mergekit wrote; its weights are replaced.
        dtype: of the weights.
    """
    merged = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), use_safetensors=True)
    # A model is saved by the names that it was loaded by; one that was not loaded, by those of its family's files.
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(merged.config)  # type: ignore[no-untyped-call]
    model.load_state_dict(merged.state_dict(), assign=True)
    model.tie_weights()
    for path in [*folder.glob("*.safetensors"), *folder.glob("*.safetensors.index.json")]:
        path.unlink()
    model.save_pretrained(folder)
