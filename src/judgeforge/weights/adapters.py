"""What an adapter says of itself: whether it is nothing but products, and whether it fits its base."""

import re
from collections.abc import Iterator
from typing import Any

from judgeforge.errors import InputError
from judgeforge.files import load_json
from judgeforge.weights.headers import Header, check_floats, read_header
from judgeforge.weights.parts import ADAPTER_FILE, TRAINING_FILE, JudgePart

ADAPTER_WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
"""What peft puts before the names of the base's layers."""
EXPERTS = ".experts."
"""What stands in the names of a mixture's experts."""
_MATRIX = 2
_NO_MATTER = {
    *("task_type", "peft_version", "auto_mapping", "base_model_name_or_path", "revision", "inference_mode"),
    *("r", "lora_alpha", "lora_dropout", "target_modules", "layers_to_transform"),
    *("megatron_core", "qalora_group_size", "loftq_config", "eva_config", "corda_config", "lora_ga_config"),
    "runtime_config",
}
"""Settings of peft 0.21 that change nothing of what a trained adapter adds to its base's weights."""
_ORDINARY = {"peft_type": ("LORA",), "bias": ("none",), "init_lora_weights": (True, False, "gaussian", "orthogonal")}
"""Other starts (pissa, olora, corda, ...) move the base's own weights, which the adapter's files do not tell."""


def is_plain(part: JudgePart, base: Header) -> bool:
    """Whether an adapter adds s B A to matrices of its base, and nothing else; all others are peft's work.

    Every setting has to be known not to matter, or to be off: what a later peft invents is on when it matters. And the
    file has to hold what the settings say: both factors of their rank, of every layer that is meant and of no other.

    Args:
        part: the adapter.
        base: its base's tensors.
    """
    config = load_json(part.folder / ADAPTER_FILE)
    for name, value in config.items():
        if name not in _NO_MATTER and value not in _ORDINARY.get(name, (None, False, {}, [], "")):
            return False
    matrices = {name.removesuffix(".weight") for name, place in base.items() if len(place.shape) == _MATRIX}
    meant = {layer for layer in matrices if is_meant(layer, config)}
    found: dict[str, set[str]] = {layer: set() for layer in meant}
    for tensor, layer, side, rest, shape in _list_factors(read_header(part.folder)):
        known = tensor.startswith(PREFIX) and side in ("A", "B") and rest == "weight" and layer in meant
        if not known or len(shape) != _MATRIX or shape[0 if side == "A" else 1] != config["r"]:
            return False
        found[layer].add(side)
    return bool(found) and all(sides == {"A", "B"} for sides in found.values())


def is_meant(layer: str, config: dict[str, Any]) -> bool:
    """Whether settings mean a layer, by the rule of peft 0.21 (``tuners_utils.check_target_module_exists``).

    Args:
        layer: its whole name in the base.
        config: of the adapter; with ``exclude_modules`` or ``layers_pattern`` it is not asked.
    """
    targets, layers = config["target_modules"], config.get("layers_to_transform")
    if isinstance(targets, str):
        return re.fullmatch(targets, layer) is not None
    if layer in targets:
        return True
    if not any(layer.endswith(f".{target}") for target in targets):
        return False
    if layers is None:
        return True
    number = re.match(r".*\.[^.]*\.(\d+)\.", layer)
    return number is not None and int(number.group(1)) in ([layers] if isinstance(layers, int) else layers)


def _list_factors(header: Header) -> Iterator[tuple[str, str, str, str, tuple[int, ...]]]:
    """Take names apart: tensor, layer of the base, side, what follows, shape."""
    for tensor, place in header.items():
        layer, _, end = tensor.removeprefix(PREFIX).rpartition(".lora_")
        side, _, rest = end.partition(".")
        yield tensor, layer, side, rest, place.shape


def check_adapter(part: JudgePart, base: Header) -> None:
    """Check that an adapter's layers are in its base, of the right shape, and that no factor stands alone.

    Raises:
        InputError: it names a layer that the base lacks, or does not fit.
    """
    # transformers fuses a layer's experts when it loads them: files hold them under other names, one by one.
    mixtures = {tensor.split(EXPERTS)[0].rpartition(".")[0] for tensor in base if EXPERTS in tensor}
    header = read_header(part.folder)
    remedy = "merge it on the base that it was trained on."
    check_floats(f"the adapter {part.name}", header)
    for tensor, layer, side, rest, shape in _list_factors(header):
        if not layer:
            continue  # a whole module beside the factors (modules_to_save, biases): peft looks after it
        found = base.get(f"{layer}.weight")
        experts = layer.removesuffix(".base_layer").removesuffix(".experts")
        if found is None and (experts == layer or experts.rpartition(".")[0] not in mixtures):
            raise InputError(f"The adapter {part.name} changes {layer}, which the base model lacks.", remedy)
        other = {"A": "B", "B": "A"}.get(side)
        if other and f"{tensor.rpartition('.lora_')[0]}.lora_{other}.{rest}" not in header:
            raise InputError(
                f"The adapter {part.name} has {tensor} without its other factor.", "train or fetch that judge again."
            )
        if found is None or len(found.shape) != _MATRIX or len(shape) != _MATRIX or not other:
            continue
        if shape[1] != found.shape[1] if side == "A" else shape[0] != found.shape[0]:
            described = header[tensor].describe()
            raise InputError(
                f"The adapter {part.name} does not fit {layer}: {described} on {found.describe()}.", remedy
            )


def find_base_digests(part: JudgePart) -> dict[str, str] | None:
    """Return the digests of the base that a judge was trained on; None where its training kept none.

    Raises:
        InputError: its training record is broken.
    """
    path = part.folder / TRAINING_FILE
    if not path.is_file():
        return None
    facts: Any = load_json(path)
    found = facts.get("base_weights") if isinstance(facts, dict) else facts
    if found is not None and not isinstance(found, dict):
        raise InputError(f"{path} is no training record.", "train that judge again.")
    return found


def check_base_identity(part: JudgePart, digests: dict[str, str]) -> None:
    """Check that a judge was trained on this base.

    Args:
        part: the judge.
        digests: of the base's files; those of weights count.

    Raises:
        InputError: it was trained on another.
    """
    trained_on = find_base_digests(part)
    if trained_on is None:
        return
    weights = {name: each for name, each in digests.items() if name.endswith(".safetensors")}
    odd = sorted(name for name in trained_on.keys() | weights.keys() if trained_on.get(name) != weights.get(name))
    if odd:
        raise InputError(
            f"The judge {part.name} was trained on another base: {part.base / odd[0]} is not the file that "
            f"{part.folder / TRAINING_FILE} names.",
            "merge on the base that it was trained on.",
        )
