"""What turns weights into those that a merge reads, and its result into those that others read.

An adapter is folded into its base, so that a merge sees full weights of every judge: W + (alpha / r) B A.
"""

import shutil
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

ADAPTER_FILE = "adapter_config.json"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")


def is_adapter(folder: Path) -> bool:
    """Whether the judge in ``folder`` is an adapter."""
    return (folder / ADAPTER_FILE).is_file()


def fold_adapter(base: Path, adapter: Path, out: Path) -> None:
    """Write the full weights of a LoRA judge.

    They are kept in fp32: rounded here and again after the merge, they would be rounded twice.

    Args:
        base: the base model.
        adapter: the judge.
        out: a folder that exists.
    """
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, use_safetensors=True)
    PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(out)
    for name in TOKENIZER_FILES:
        if (adapter / name).is_file():
            shutil.copyfile(adapter / name, out / name)


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
