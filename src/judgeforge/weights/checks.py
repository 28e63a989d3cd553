"""What must hold of the judges before a merge. Headers and small files are read, no weights: it takes seconds."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.files import load_json
from judgeforge.grading.templates import load_template
from judgeforge.weights.adapters import check_adapter
from judgeforge.weights.headers import Header, check_floats, read_header
from judgeforge.weights.parts import JudgePart

_VERSION = "transformers_version"
_NO_MATTER = {_VERSION, "_name_or_path", "dtype", "torch_dtype", "use_cache"}
"""What configurations of one model may differ in; the tensors' own dtypes are compared."""
_IDENTITY = {"architectures", "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "tie_word_embeddings"}
_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")
_PASSING = ("truncation", "padding", "version")
"""Of a tokenizer's file: what a call sets, not what text becomes."""
_REMEDY = "merge judges that were fine-tuned from the same base model."
_GB = 1e9


def check_judges(parts: Sequence[JudgePart], base: Path, *, needs_base: bool) -> Header:
    """Check that judges can be merged: template, architecture, vocabulary, tensors; and that adapters fit their base.

    Args:
        parts: all are compared with the first.
        base: their base.
        needs_base: whether the method reads the base, which is then compared, too.

    Returns:
        The header of the first.

    Raises:
        InputError: what differs, and between which.
    """
    first, *others = parts
    header = first.read_header()
    check_floats(first.name, header)
    for part in parts:
        if part.is_adapter:
            check_adapter(part, part.read_header())
    for part in others:
        _compare_templates(first, part)
        _compare_configs(first, part)
        _compare_headers(first.name, header, part.name, part.read_header())
        _compare_tokenizers(first, part)
    if needs_base:
        found = read_header(base)
        check_floats("the base", found)
        _compare_shapes(first.name, header, found)
    return header


def _compare_templates(first: JudgePart, second: JudgePart) -> None:
    templates = load_template(first.folder), load_template(second.folder)
    if templates[0].compute_digest() != templates[1].compute_digest():
        raise InputError(
            f"The judges were trained with different templates: {templates[0].name} and {templates[1].name}.",
            "train both on sets that one 'prepare' wrote.",
        )


def _compare_configs(first: JudgePart, second: JudgePart) -> None:
    config, theirs = first.load_config(), second.load_config()
    compared = config.keys() | theirs.keys()
    if config.get(_VERSION) != theirs.get(_VERSION):
        # Another version leaves out or adds what stands for the same: only what both say can differ.
        compared = (config.keys() & theirs.keys()) | _IDENTITY
    for key in sorted(compared - _NO_MATTER):
        if config.get(key) != theirs.get(key):
            raise InputError(
                f"{first.name} and {second.name} differ in {key} (config.json): {config.get(key)} and "
                f"{theirs.get(key)}.",
                _REMEDY,
            )


def _compare_tokenizers(first: JudgePart, second: JudgePart) -> None:
    names = f"{first.name} and {second.name}"
    content, others = (load_json(part.folder / "tokenizer.json") for part in (first, second))
    for key in sorted(content.keys() | others.keys()):
        if key in _PASSING or _digest(content.get(key)) == _digest(others.get(key)):
            continue
        if key in ("model", "added_tokens"):
            raise InputError(f"{names} have different vocabularies (tokenizer.json: {key}).", _REMEDY)
        raise InputError(f"{names} cut text in different ways (tokenizer.json: {key}).", _REMEDY)
    tokens, theirs = (load_json(part.folder / "tokenizer_config.json") for part in (first, second))
    for key in _SPECIAL:
        if tokens.get(key) != theirs.get(key):
            raise InputError(
                f"{names} differ in {key} (tokenizer_config.json): {tokens.get(key)!r} and {theirs.get(key)!r}.",
                _REMEDY,
            )
    if _read_chat_template(first.folder, tokens) != _read_chat_template(second.folder, theirs):
        raise InputError(f"{names} have different chat templates.", _REMEDY)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _read_chat_template(folder: Path, tokens: dict[str, Any]) -> Any:
    path = folder / "chat_template.jinja"
    return path.read_text() if path.is_file() else tokens.get("chat_template")


def _compare_headers(first: str, header: Header, name: str, theirs: Header) -> None:
    odd = sorted(header.keys() ^ theirs.keys())
    if odd:
        raise InputError(f"{first} and {name} differ in {len(odd)} tensor names, such as {odd[0]}.", _REMEDY)
    for tensor, place in header.items():
        other = theirs[tensor]
        if place.shape != other.shape:
            raise InputError(
                f"{first} and {name} differ in {tensor}: {place.describe()} and {other.describe()}.", _REMEDY
            )
        if place.dtype != other.dtype:
            raise InputError(
                f"{first} and {name} differ in {tensor}: {place.describe()} and {other.describe()}.",
                "train both with one train.dtype, or load one in the other's dtype and save it again.",
            )


def _compare_shapes(first: str, header: Header, base: Header) -> None:
    for tensor, place in header.items():
        if tensor not in base or base[tensor].shape != place.shape:
            found = base[tensor].describe() if tensor in base else "nothing"
            raise InputError(
                f"{first} and its base differ in {tensor}: {place.describe()} and {found}.",
                "give the base that both judges started from, or choose merge.method linear or slerp.",
            )


def check_room(folder: Path, numbers: int, width: int) -> None:
    """Check that weights will fit on the disk.

    Args:
        folder: where they are to be; its parent exists.
        numbers: in all tensors.
        width: bytes of each.

    Raises:
        EnvironmentFault: there is less room.
    """
    need, free = numbers * width, shutil.disk_usage(folder.parent).free
    if free < need:
        raise EnvironmentFault(
            f"{folder} needs {need / _GB:,.1f} GB, and the disk has {free / _GB:,.1f} GB free.",
            f"free some space below {folder.parent}; nothing was written.",
        )


def check_place(out: Path, inputs: Iterable[Path]) -> None:
    """Check that what is written does not take the place of what is read.

    Args:
        out: a folder to be written.
        inputs: folders that are read.

    Raises:
        InputError: it is one of them, lies in one, or holds one.
    """
    target = out.resolve()
    for each in inputs:
        source = each.resolve()
        if target == source or target in source.parents or source in target.parents:
            raise InputError(f"{out} would be written over {each}, which is read.", "choose another --out.")
