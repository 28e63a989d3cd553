"""Loading a benchmark by name: an embedded one that ``prepare`` wrote, or a published file pinned by its SHA-256."""

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from judgeforge.benchmarks.records import Benchmark, BenchmarkItem
from judgeforge.benchmarks.upstream import build_autoj_items, build_direct_items, build_hhh_items
from judgeforge.errors import InputError
from judgeforge.files import load_json, load_json_rows
from judgeforge.grading.records import Format

_SYNTHETIC = (
    "Synthetic: its responses have planted defects, of the kinds that the embedded collection trains on. "
    "It shows that a judge learns; it says nothing about real text."
)

EMBEDDED: dict[str, Format] = {"embedded_direct": "direct", "embedded_pairwise": "pairwise"}
"""Benchmarks that ``prepare`` generates."""


def load_benchmark(name: str, embedded_folder: Path, benchmarks_folder: Path | None) -> Benchmark:
    """Load a benchmark.

    Args:
        name: ``embedded_direct``, ``embedded_pairwise``, ``vicuna_bench``, ``mt_bench``, ``hhh_alignment`` or
            ``autoj_eval``.
        embedded_folder: where ``prepare`` wrote the embedded ones.
        benchmarks_folder: where the published files are; None where there are none.

    Raises:
        InputError: unknown name, missing file or folder, a published file of other content than the pinned one, or an
            embedded row that is no item (its line is named).
    """
    if name in EMBEDDED:
        return _load_embedded(name, embedded_folder / f"{name}.jsonl")
    manifest = _load_manifest()
    if name not in manifest:
        raise InputError(f"There is no benchmark {name!r}.", f"name one of {', '.join([*EMBEDDED, *manifest])}.")
    if benchmarks_folder is None:
        raise InputError(
            f"Benchmark {name!r} needs a published file, and no folder is given.",
            "set evaluate.benchmarks_folder in params.yaml to the folder that holds it.",
        )
    paths = [_check_digest(benchmarks_folder / file, digest) for file, digest in manifest[name]["files"].items()]
    notes: list[str] = []
    if name == "hhh_alignment":
        items = build_hhh_items(load_json_rows(paths[0]))
    elif name == "autoj_eval":
        items, notes = build_autoj_items(load_json_rows(paths[0]), load_json(paths[1]))
    else:
        items = build_direct_items(name, load_json_rows(paths[0]))
        notes = ["The gold score is the mean of three GPT-4 scores."]
    return Benchmark(name=name, format=manifest[name]["format"], items=tuple(items), notes=tuple(notes))


def select_prompts(benchmark: Benchmark, max_prompts: int | None, seed: int) -> Benchmark:
    """Keep the items of ``max_prompts`` prompts drawn by seed; a larger draw contains every smaller one.

    Args:
        benchmark: the whole benchmark.
        max_prompts: how many prompts; all their items are kept. None: all prompts.
        seed: of the draw.
    """
    prompts = sorted({entry.item.prompt_id for entry in benchmark.items})
    if max_prompts is None or max_prompts >= len(prompts):
        return benchmark
    order = np.random.default_rng(seed).permutation(len(prompts))
    kept = {prompts[index] for index in order[:max_prompts]}
    items = tuple(entry for entry in benchmark.items if entry.item.prompt_id in kept)
    note = f"A subset: {max_prompts} of {len(prompts)} prompts, drawn by seed {seed} with all their items."
    return benchmark.model_copy(update={"items": items, "notes": (*benchmark.notes, note)})


def _load_manifest() -> Mapping[str, Any]:
    text = (resources.files("judgeforge.benchmarks") / "manifest.json").read_text("utf-8")
    manifest: dict[str, Any] = json.loads(text)
    return manifest


def _check_digest(path: Path, expected: str) -> Path:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}.",
            "put the published file there, or correct evaluate.benchmarks_folder in params.yaml.",
        ) from error
    if found != expected:
        raise InputError(
            f"{path} is not the pinned file: its SHA-256 is {found}, not {expected}.",
            "get the published file again; figures on another one could not be compared.",
        )
    return path


def _load_embedded(name: str, path: Path) -> Benchmark:
    if not path.is_file():
        raise InputError(f"There is no benchmark file {path}.", "write it with 'dvc repro prepare'.")
    items = []
    for number, row in enumerate(load_json_rows(path), start=1):
        try:
            entry = BenchmarkItem.model_validate(row)
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(str(part) for part in fault["loc"])
            raise InputError(f"Row {number} of {path}: {key}: {fault['msg']}.", "run 'dvc repro prepare'.") from error
        if entry.item.format != EMBEDDED[name]:
            raise InputError(f"Row {number} of {path} is a {entry.item.format} item.", "run 'dvc repro prepare'.")
        items.append(entry)
    if not items:
        raise InputError(f"{path} is empty.", "run 'dvc repro prepare', with prepare.embedded as in params.yaml.")
    return Benchmark(name=name, format=EMBEDDED[name], items=tuple(items), notes=(_SYNTHETIC,))
