"""What a judge's folder says of itself, read before any weights are loaded."""

from pathlib import Path
from typing import Any

from judgeforge.engines.protocol import Generation
from judgeforge.errors import InputError
from judgeforge.files import load_json

ADAPTER_FILE = "adapter_config.json"
"""What makes a folder an adapter (peft)."""

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks of adapters that vLLM makes room for."""


def find_base(adapter: Path, base_folder: Path | None) -> Path:
    """Find the base model of an adapter: ``base_folder``, or the one that the adapter names.

    Raises:
        InputError: it is not there.
    """
    base = base_folder or Path(load_json(adapter / ADAPTER_FILE)["base_model_name_or_path"])
    if not (base / "config.json").is_file():
        raise InputError(
            f"The base model {base} of the adapter {adapter} is not there.", "run 'dvc repro base', or name it."
        )
    return base


def check_context(model_folder: Path, base_folder: Path | None, generation: Generation) -> None:
    """Make sure that the longest prompt and answer fit into the model's context: beyond it, models talk nonsense.

    Args:
        model_folder: full weights or an adapter.
        base_folder: the base of an adapter; None: the one that the adapter names.
        generation: its limits.

    Raises:
        InputError: they do not.
    """
    adapted = (model_folder / ADAPTER_FILE).is_file()
    weights = find_base(model_folder, base_folder) if adapted else model_folder
    config: dict[str, Any] = load_json(weights / "config.json")
    length = generation.max_prompt_tokens + generation.max_new_tokens
    context = (config.get("text_config") or config).get("max_position_embeddings")
    if context is not None and context < length:
        raise InputError(
            f"{weights} has a context of {context} tokens; prompt and answer may take {length}.",
            f"lower evaluate.max_prompt_tokens to {max(context - generation.max_new_tokens, 1)} or less.",
        )


def find_rank(adapter: Path) -> int:
    """Find the smallest rank that vLLM makes room for and an adapter fits into.

    Raises:
        InputError: there is none, or the adapter is one of fused experts, which vLLM does not run.
    """
    config = load_json(adapter / ADAPTER_FILE)
    if config.get("target_parameters"):
        raise InputError(
            f"{adapter} adapts the experts of a mixture, fused; vLLM runs no such adapter.",
            "merge it into its base, or set evaluate.engine to transformers.",
        )
    rank = int(config["r"])
    fitting = [each for each in _RANKS if each >= rank]
    if not fitting:
        raise InputError(
            f"{adapter} has the rank {rank}; vLLM runs adapters of up to {_RANKS[-1]}.",
            "merge it into its base, or set evaluate.engine to transformers.",
        )
    return fitting[0]
