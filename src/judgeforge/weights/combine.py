"""Two plain adapters as one: where a merge is a sum, so is its adapter, and no weights have to be written.

a s_d B_d A_d + (1 - a) s_p B_p A_p = [a s_d B_d, (1 - a) s_p B_p] [A_d; A_p], times ``scaling``: exact but for
rounding.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from judgeforge.files import load_json, write_json
from judgeforge.grading.templates import load_template, write_template
from judgeforge.params import MergeParams
from judgeforge.weights.adapters import ADAPTER_WEIGHTS, PREFIX, is_plain
from judgeforge.weights.companions import TOKENIZER_FILES
from judgeforge.weights.parts import ADAPTER_FILE, JudgePart

_SUMS = ("linear", "task_arithmetic")
_HIGHEST_RANK = 512
"""Of an adapter that vLLM runs."""
_ENDS = (".lora_A.weight", ".lora_B.weight")


def can_be_combined(values: MergeParams, parts: Sequence[JudgePart]) -> bool:
    """Whether a merge of these judges is a sum of plain adapters, of a rank that every engine runs."""
    if values.method not in _SUMS or not all(part.is_adapter for part in parts):
        return False
    rank = sum(load_json(part.folder / ADAPTER_FILE)["r"] for part in parts)
    return rank <= _HIGHEST_RANK and all(is_plain(part, part.read_header()) for part in parts)


def write_combined_adapter(values: MergeParams, parts: Sequence[JudgePart], folder: Path) -> None:
    """Write the adapter of a merge, with tokenizer and template of the direct judge.

    Args:
        values: of the merge; ``can_be_combined`` holds.
        parts: the direct and the pairwise judge.
        folder: an empty one.
    """
    configs = [load_json(part.folder / ADAPTER_FILE) for part in parts]
    weights = [load_file(part.folder / ADAPTER_WEIGHTS) for part in parts]
    shares = values.alpha * values.scaling, (1 - values.alpha) * values.scaling
    scales = [share * config["lora_alpha"] / config["r"] for share, config in zip(shares, configs, strict=True)]
    rank = sum(config["r"] for config in configs)
    layers = sorted({name.removesuffix(_ENDS[0]) for each in weights for name in each if name.endswith(_ENDS[0])})
    combined: dict[str, torch.Tensor] = {}
    for layer in layers:
        down, up = _join(weights, scales, layer, rank)
        combined |= {f"{layer}{_ENDS[0]}": down, f"{layer}{_ENDS[1]}": up}
    save_file(combined, folder / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    write_json(
        folder / ADAPTER_FILE,
        {
            **{"peft_type": "LORA", "task_type": "CAUSAL_LM", "inference_mode": True, "bias": "none"},
            **{"base_model_name_or_path": str(parts[0].base), "r": rank, "lora_alpha": rank, "lora_dropout": 0.0},
            # By their whole names, so that no layer of either judge is meant that it has not adapted.
            "target_modules": [layer.removeprefix(PREFIX) for layer in layers],
        },
    )
    for name in TOKENIZER_FILES:
        if (parts[0].folder / name).is_file():
            shutil.copyfile(parts[0].folder / name, folder / name)
    write_template(load_template(parts[0].folder), folder)


def _join(
    weights: Sequence[dict[str, torch.Tensor]], scales: Sequence[float], layer: str, rank: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put one layer's factors side by side; where a judge has not adapted it, the rest of the rank is empty."""
    downs, ups = [], []
    for own, scale in zip(weights, scales, strict=True):
        if f"{layer}{_ENDS[0]}" in own:
            downs.append(own[f"{layer}{_ENDS[0]}"].float())
            ups.append(own[f"{layer}{_ENDS[1]}"].float() * scale)
    missing = rank - sum(len(each) for each in downs)
    downs.append(torch.zeros(missing, downs[0].shape[1]))
    ups.append(torch.zeros(ups[0].shape[0], missing))
    return torch.cat(downs), torch.cat(ups, dim=1)
