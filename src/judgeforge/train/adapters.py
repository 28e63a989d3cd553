"""Low-rank adapters (arXiv 2106.09685): which weights of a model get one, and what peft cannot do there.

All linear layers but the head are adapted and, in a mixture of experts, the experts. What chooses among experts, the
router, is frozen: the paper's 8x7B judge (arXiv 2405.01535, Table 10) keeps the base's routing.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer, ParamWrapper
from transformers import AutoModelForCausalLM

from judgeforge.errors import InputError
from judgeforge.params import LoraParams, TrainParams
from judgeforge.train.zero import loads_in_parts

_EXPERTS = ".experts."
_INNER_EXPERTS = r".*\.experts\..*"


@dataclass(frozen=True)
class Targets:
    """What of a model is adapted.

    Args:
        modules: last names of linear layers.
        experts: whole names of parameters that hold the weights of all experts of a layer, (experts, out, in).
        routers: whole names of what chooses among experts, which gets no adapter.
        excluded: a pattern of names of linear layers to leave out in spite of their last names; None: there are none.
    """

    modules: tuple[str, ...]
    experts: tuple[str, ...]
    routers: tuple[str, ...]
    excluded: str | None


def find_targets(model: Any, lora: LoraParams) -> Targets:
    """Find what of a model is to be adapted.

    Args:
        model: a causal language model without adapters.
        lora: the section ``train.lora``.

    Raises:
        InputError: ``last_layers`` is more than the model has.
    """
    layers = _choose_layers(model, lora)
    head = model.get_output_embeddings()
    linear = [name for name, each in model.named_modules() if isinstance(each, torch.nn.Linear) and each is not head]
    mixture = any(_EXPERTS in name for name, _ in model.named_parameters())
    routers = {name.rpartition(".")[0] for name, _ in model.named_parameters() if mixture and _is_router(name)}
    single = [name for name in linear if _EXPERTS in name]
    kept = [name for name in linear if name not in routers and (lora.experts or name not in single)]
    fused = [name for name, each in model.named_parameters() if _count_dimensions(each) == 3 and _EXPERTS in name]
    if not lora.experts:
        fused = []
    return Targets(
        modules=tuple(sorted({name.rsplit(".", 1)[-1] for name in kept})),
        experts=tuple(name for name in fused if layers is None or _find_layer(name) in layers),
        routers=tuple(sorted(routers)),
        excluded=_INNER_EXPERTS if single and not lora.experts else None,
    )


def _count_dimensions(parameter: Any) -> int:
    """Count a weight's dimensions; one that ZeRO-3 has split knows how many it had."""
    return len(getattr(parameter, "ds_shape", parameter.shape))


def _choose_layers(model: Any, lora: LoraParams) -> range | None:
    layers = model.config.get_text_config().num_hidden_layers
    if lora.last_layers is None:
        return None
    if lora.last_layers > layers:
        raise InputError(
            f"train.lora.last_layers is {lora.last_layers}, but the base model has {layers} layers.",
            f"set it to {layers} or less, or to null for all.",
        )
    return range(layers - lora.last_layers, layers)


def _is_router(name: str) -> bool:
    """Tell by its name whether a part of a mixture chooses among experts (gate_proj is no such gate)."""
    return any(part in ("gate", "router") or part.endswith("_gate") for part in name.split("."))


def _find_layer(name: str) -> int:
    found = re.search(r"\.(\d+)\.", name)
    return int(found[1]) if found else -1


def add_adapters(model: Any, lora: LoraParams) -> PeftModel:
    """Put adapters on a model; they alone are trained.

    Args:
        model: a causal language model, changed in place.
        lora: the section ``train.lora``.

    Raises:
        InputError: see ``find_targets``.
    """
    targets, layers = find_targets(model, lora), _choose_layers(model, lora)
    if targets.experts and loads_in_parts():
        raise InputError(
            "Adapters of fused experts cannot be trained under ZeRO-3: peft adds them to weights that are in parts.",
            "set train.distribution.engine to zero2 or none, or train.lora.experts to false.",
        )
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        # peft refuses any dropout where it adapts parameters: they see no input that it could drop.
        lora_dropout=0.0 if targets.experts else lora.dropout,
        # "all-linear" would do, but peft takes layers_to_transform only with a list.
        target_modules=list(targets.modules),
        target_parameters=list(targets.experts) or None,
        exclude_modules=targets.excluded,
        layers_to_transform=None if layers is None else list(layers),
        task_type="CAUSAL_LM",
    )
    adapted: Any = get_peft_model(model, config)
    if targets.experts and lora.dropout:
        _drop_inputs(adapted, lora.dropout)
    return adapted  # type: ignore[no-any-return]


def _drop_inputs(adapted: Any, dropout: float) -> None:
    """Give the linear layers the dropout that the experts cannot have."""
    for layer in adapted.modules():
        if isinstance(layer, LoraLayer) and not isinstance(layer, ParamWrapper):
            for name in layer.lora_dropout:
                layer.lora_dropout[name] = torch.nn.Dropout(dropout)


def list_notes(model: Any, params: TrainParams) -> list[str]:
    """List what a run does otherwise than ``params`` say, as sentences.

    Args:
        model: as it is trained.
        params: the section ``train``.
    """
    config = getattr(model, "peft_config", {}).get("default")
    notes = []
    if config is not None and config.target_parameters:
        if params.lora.dropout:
            notes.append(
                f"The experts' adapters have no dropout, those of linear layers {params.lora.dropout}: "
                "peft cannot drop inputs of fused weights."
            )
        if params.method == "qlora":
            notes.append(f"The experts stay in {params.dtype}: bitsandbytes holds linear layers alone in 4 bits.")
    return notes


def fold_into_whole_base(adapted: Any, base_folder: Path) -> Any:
    """Fold adapters into the base's own weights in fp32, for adapters that were trained on weights of 4 bits.

    Args:
        adapted: the model with adapters.
        base_folder: the base model.
    """
    with tempfile.TemporaryDirectory() as folder:
        adapted.save_pretrained(folder)
        base = AutoModelForCausalLM.from_pretrained(base_folder, dtype=torch.float32, use_safetensors=True)
        return PeftModel.from_pretrained(base, folder).merge_and_unload()
