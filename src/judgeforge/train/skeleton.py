"""A model as its configuration describes it, without weights: what is trained of it, and how large its parts are.

The model stands on torch's meta device, where tensors have shapes and nothing else: 47 billion weights in a second.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from judgeforge.errors import InputError
from judgeforge.params import TrainParams
from judgeforge.train.adapters import Targets, add_adapters, find_targets, list_notes


@dataclass(frozen=True)
class Skeleton:
    """What a model is, counted.

    Args:
        family: the architecture's name in transformers.
        parameters: all weights of the base.
        linear: those of linear layers but for the head, which qlora holds in 4 bits.
        trained: weights that are trained.
        targets: what is adapted; None: everything is trained.
        notes: what is done otherwise than the parameters say.
        layers: all of them.
        learning_layers: those at or above the lowest trained weight: autograd keeps nothing of the others.
        hidden: width of the stream between layers.
        query: width of all heads' queries.
        key: width of all heads' keys, and of their values.
        heads: attention heads.
        inner: width inside the feed-forward block that all tokens go through; 0: there are experts alone.
        experts: experts a layer; 0: there are none.
        experts_a_token: experts that read a token.
        expert_inner: width inside one of them.
        capped: whether attention's logits are.
        norms: widths of all norms of a layer, added.
        plain_norms: whether they are such as train/fused.py exchanges.
        vocabulary: rows of the head.
    """

    family: str
    parameters: int
    linear: int
    trained: int
    targets: Targets | None
    notes: tuple[str, ...]
    layers: int
    learning_layers: int
    hidden: int
    query: int
    key: int
    heads: int
    inner: int
    experts: int
    experts_a_token: int
    expert_inner: int
    capped: bool
    norms: int
    plain_norms: bool
    vocabulary: int


def load_skeleton(base_folder: Path, params: TrainParams) -> Skeleton:
    """Build the model that ``params`` train, without weights.

    Args:
        base_folder: holds the base model's config.json; nothing else is read.
        params: the section ``train``.

    Raises:
        InputError: there is no configuration, or more layers are to be adapted than there are.
    """
    if not (base_folder / "config.json").is_file():
        raise InputError(f"There is no base model in {base_folder}.", "run 'dvc repro base' first.")
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base_folder))  # type: ignore[no-untyped-call]
    head = model.get_output_embeddings()
    linear = [each for each in model.modules() if isinstance(each, torch.nn.Linear) and each is not head]
    sizes = {
        "parameters": sum(each.numel() for each in model.parameters()),
        "linear": sum(each.weight.numel() for each in linear),
    }
    widths = _measure(model)
    if params.method == "full":
        trained = sizes["parameters"]
        return Skeleton(**sizes, **widths, trained=trained, targets=None, notes=(), learning_layers=widths["layers"])
    targets = find_targets(model, params.lora)
    with torch.device("meta"):
        model = add_adapters(model, params.lora)
    learning = params.lora.last_layers or widths["layers"]
    return Skeleton(
        **sizes,
        **widths,
        trained=sum(each.numel() for each in model.parameters() if each.requires_grad),
        targets=targets,
        notes=tuple(list_notes(model, params)),
        learning_layers=widths["layers"] if params.gradient_checkpointing else learning,
    )


def _measure(model: Any) -> dict[str, Any]:
    config = model.config.get_text_config()
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    query, key = config.num_attention_heads * size, config.num_key_value_heads * size
    experts = getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None) or 0
    widths = {"q_norm": query, "k_norm": key}
    norms = [
        next((width for part, width in widths.items() if part in name), each.numel())
        for name, each in model.named_parameters()
        if ".layers.0." in name and "norm" in name and each.ndim == 1
    ]
    return {
        "family": model.config.model_type,
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "query": query,
        "key": key,
        "heads": config.num_attention_heads,
        "inner": getattr(config, "shared_expert_intermediate_size", 0) if experts else config.intermediate_size,
        "experts": experts,
        "experts_a_token": config.num_experts_per_tok if experts else 0,
        "expert_inner": getattr(config, "moe_intermediate_size", config.intermediate_size) if experts else 0,
        "capped": getattr(config, "attn_logit_softcapping", None) is not None,
        "norms": sum(norms),
        "plain_norms": any(hasattr(each, "variance_epsilon") for each in model.modules()),
        "vocabulary": config.vocab_size,
    }
