"""DeepSpeed: its configurations, its optimizer for offloaded state, and whole weights from split ones.

Under ZeRO-3 a process holds a part of each weight and, where the others' parts are not gathered, sees empty tensors:
saved as they are, they make a judge of nothing (the upstream code's known trap).
"""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled

from judgeforge.errors import InputError
from judgeforge.files import load_json
from judgeforge.params import DistributionParams, TrainParams

_CONFIGURATIONS = Path(__file__).parent / "deepspeed"
_EMPTY_SHOWN = 3


def load_engine(distribution: DistributionParams) -> dict[str, Any] | None:
    """Load the configuration of ``distribution.engine``; transformers fills in what is "auto". None: no engine.

    Raises:
        InputError: DeepSpeed is not installed.
    """
    if distribution.engine == "none":
        return None
    if importlib.util.find_spec("deepspeed") is None:
        raise InputError(
            f"train.distribution.engine is {distribution.engine}, but DeepSpeed is not installed.",
            "install judgeforge[deepspeed], or set the engine to none.",
        )
    name = f"{distribution.engine}-offload" if distribution.offload else distribution.engine
    configuration: dict[str, Any] = load_json(_CONFIGURATIONS / f"{name}.json")
    return configuration


def loads_in_parts() -> bool:
    """Tell whether weights that are loaded now are split between processes until DeepSpeed's engine gathers them."""
    return bool(is_deepspeed_zero3_enabled())  # type: ignore[no-untyped-call]


def choose_optimizer(params: TrainParams) -> tuple[type[Any], dict[str, Any]] | None:
    """Choose DeepSpeed's Adam for state in main memory, made for CPUs; None leaves the Trainer's choice, torch's AdamW.

    Given to the Trainer and not in the configuration file: there it would decay biases and norms, too.
    """
    if not (params.distribution.offload and torch.cuda.is_available()):
        return None
    from deepspeed.ops.adam import DeepSpeedCPUAdam  # noqa: PLC0415 - compiles code; only where it is used

    return DeepSpeedCPUAdam, {"lr": params.learning_rate, "weight_decay": params.weight_decay, "adamw_mode": True}


def gather_weights(trainer: Any, adapters_only: bool) -> dict[str, torch.Tensor] | None:
    """Gather whole weights from the processes' parts of them; all processes must take part.

    Args:
        trainer: after training.
        adapters_only: leave frozen weights out.

    Returns:
        The first process's weights by name. None elsewhere, and where the model is whole in each process.
    """
    if not has_split_weights(trainer):
        return None
    weights: dict[str, torch.Tensor] | None = trainer.model_wrapped._zero3_consolidated_16bit_state_dict(
        exclude_frozen_parameters=adapters_only
    )
    return weights


def has_split_weights(trainer: Any) -> bool:
    """Tell whether each process holds a part of each weight only."""
    engine = getattr(trainer.model_wrapped, "zero_optimization_partition_weights", None)
    return engine is not None and bool(engine())


def count_trained(model: Any) -> int:
    """Count the weights that are trained; a split one has no length of its own."""
    return sum(getattr(each, "ds_numel", each.numel()) for each in model.parameters() if each.requires_grad)


def require_filled(folder: Path) -> None:
    """Check that a judge's weights are there, before it gets its place.

    Raises:
        InputError: there are none, or empty ones.
    """
    paths = sorted(folder.glob("*.safetensors"))
    empty, found = [], 0
    for path in paths:
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - no mapping
                found += 1
                if 0 in tensors.get_slice(name).get_shape():
                    empty.append(name)
    if empty or not found:
        shown = ", ".join(empty[:_EMPTY_SHOWN]) if empty else "there are none at all"
        raise InputError(
            f"{len(empty)} of {found} tensors of the judge are empty ({shown}); it is not written.",
            "gather split weights before they are saved (DeepSpeed: stage3_gather_16bit_weights_on_model_save).",
        )
