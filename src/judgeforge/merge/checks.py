"""What must hold of the judges before a merge (headers: seconds, no weights), and of the merged weights after it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from judgeforge.errors import InputError, JudgeforgeError
from judgeforge.files import load_json

Header = dict[str, tuple[tuple[int, ...], str]]
"""Tensor name -> shape and dtype."""

_IDENTITY = ("architectures", "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "tie_word_embeddings")
EXPERTS = ".experts."
"""What stands in the names of a mixture's experts."""
_REMEDY = "merge judges that were fine-tuned from the same base model."


class BrokenMergeError(JudgeforgeError):
    """The merged weights are not fit to be published."""

    exit_code = 4


def read_header(folder: Path) -> Header:
    """Read names, shapes and dtypes of all tensors in ``folder`` without reading weights.

    Raises:
        InputError: there are no safetensors, or one is cut off.
    """
    header: Header = {}
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"There are no safetensors in {folder}.", "train that judge first.")
    for path in files:
        try:
            with safe_open(path, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a mapping
                    part = tensors.get_slice(name)
                    header[name] = (tuple(part.get_shape()), part.get_dtype())
        except Exception as error:  # safetensors raises its own SafetensorError, of which the module is private
            raise InputError(f"{path} is cut off or not safetensors.", "train that judge again.") from error
    return header


def compute_tokenizer_digest(folder: Path) -> str:
    """Return the SHA-256 of the vocabulary and the added tokens, whatever else the tokenizer's file says."""
    content = load_json(folder / "tokenizer.json")
    relevant = {"model": content["model"], "added_tokens": content["added_tokens"]}
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def check_compatible(folders: Mapping[str, Path]) -> None:
    """Check that full models can be merged: architecture, vocabulary, tensor names, shapes and dtypes.

    Args:
        folders: full models by name; all are compared with the first.

    Raises:
        InputError: what differs, and between which.
    """
    (first, folder), *others = folders.items()
    config, header, digest = load_json(folder / "config.json"), read_header(folder), compute_tokenizer_digest(folder)
    for name, other in others:
        their_config = load_json(other / "config.json")
        for key in _IDENTITY:
            if config.get(key) != their_config.get(key):
                raise InputError(
                    f"{first} and {name} differ in {key}: {config.get(key)} and {their_config.get(key)}.", _REMEDY
                )
        _compare_headers(first, header, name, read_header(other))
        if compute_tokenizer_digest(other) != digest:
            raise InputError(f"{first} and {name} have different vocabularies (tokenizer.json).", _REMEDY)


def _compare_headers(first: str, header: Header, name: str, theirs: Header) -> None:
    odd = sorted(header.keys() ^ theirs.keys())
    if odd:
        raise InputError(f"{first} and {name} differ in {len(odd)} tensor names, such as {odd[0]}.", _REMEDY)
    for tensor, described in header.items():
        if theirs[tensor] != described:
            raise InputError(
                f"{first} and {name} differ in {tensor}: {_describe(described)} and {_describe(theirs[tensor])}.",
                _REMEDY,
            )


def _describe(entry: tuple[tuple[int, ...], str]) -> str:
    return f"{entry[1]} {list(entry[0])}"


def check_adapter_base(name: str, adapter: Path, base_header: Header) -> None:
    """Check that an adapter fits the base model: its layers are there.

    Raises:
        InputError: it names a layer that the base lacks.
    """
    known = {tensor.removesuffix(".weight") for tensor in base_header}
    # transformers fuses a layer's experts when it loads them: files hold them under other names, one by one.
    mixtures = {tensor.split(EXPERTS)[0].rpartition(".")[0] for tensor in base_header if EXPERTS in tensor}
    for tensor in read_header(adapter):
        layer = tensor.removeprefix("base_model.model.").split(".lora_")[0]
        experts = layer.removesuffix(".base_layer").removesuffix(".experts")
        if layer not in known and (experts == layer or experts.rpartition(".")[0] not in mixtures):
            raise InputError(f"The adapter {name} changes {layer}, which the base model lacks.", _REMEDY)


def check_merged(folder: Path, expected: Header) -> dict[str, Any]:
    """Check the merged weights: all tensors, right shapes, no NaN or infinity.

    Args:
        folder: the merged model.
        expected: the header of what was merged.

    Returns:
        ``tensors`` and ``parameters``, counted, for the provenance file.

    Raises:
        BrokenMergeError: what is wrong with which tensor.
    """
    header = read_header(folder)
    remedy = "look into the judges' training curves; nothing was published."
    if missing := sorted(expected.keys() ^ header.keys()):
        raise BrokenMergeError(f"Merged weights: {len(missing)} tensors missing or new, as {missing[0]}.", remedy)
    parameters = 0
    for name, tensor in iterate_tensors(folder):
        if tuple(tensor.shape) != expected[name][0]:
            raise BrokenMergeError(f"Merged weights: {name} has shape {list(tensor.shape)}.", remedy)
        if not bool(torch.isfinite(tensor).all()):
            raise BrokenMergeError(f"Merged weights: {name} holds NaN or infinity.", remedy)
        parameters += tensor.numel()
    return {"tensors": len(header), "parameters": parameters}


def iterate_tensors(folder: Path) -> Iterable[tuple[str, torch.Tensor]]:
    """Yield (name, tensor) of all safetensors in ``folder``, one in memory at a time."""
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a mapping
                yield name, tensors.get_tensor(name)
