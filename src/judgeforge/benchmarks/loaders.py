"""Loading a benchmark: an embedded one that ``prepare`` wrote, a published one, or one of a user's own."""

from collections import Counter
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from judgeforge.benchmarks.custom import SUFFIXES, load_custom
from judgeforge.benchmarks.layouts import (
    Layout,
    build_chosen_rejected,
    build_plain_direct,
    build_plain_pairwise,
)
from judgeforge.benchmarks.manifest import LayoutName, load_manifest
from judgeforge.benchmarks.reading import Source
from judgeforge.benchmarks.records import Benchmark, BenchmarkItem
from judgeforge.benchmarks.upstream import build_autoj, build_rendered_direct, build_rendered_pairwise
from judgeforge.errors import InputError
from judgeforge.files import load_json_rows
from judgeforge.grading.records import Format

_SYNTHETIC = (
    "Synthetic: its responses have planted defects, of the kinds that the embedded collection trains on. "
    "It shows that a judge learns; it says nothing about real text."
)

EMBEDDED: dict[str, Format] = {"embedded_direct": "direct", "embedded_pairwise": "pairwise"}
"""Benchmarks that ``prepare`` generates."""

_LAYOUTS: dict[LayoutName, Layout] = {
    "rendered_direct": build_rendered_direct,
    "rendered_pairwise": build_rendered_pairwise,
    "autoj": build_autoj,
    "direct": build_plain_direct,
    "pairwise": build_plain_pairwise,
    "chosen_rejected": build_chosen_rejected,
}


def load_benchmark(name: str, embedded_folder: Path, benchmarks_folder: Path | None) -> Benchmark:
    """Load a benchmark.

    Args:
        name: ``embedded_direct``, ``embedded_pairwise``, a published one, or the path of a YAML file.
        embedded_folder: where ``prepare`` wrote the embedded ones.
        benchmarks_folder: where the published files are; None where there are none.

    Raises:
        InputError: unknown name, missing file or folder, a published file of other content than the pinned one, or a
            row that is no item (it is named).
    """
    if name in EMBEDDED:
        return _load_embedded(name, embedded_folder / f"{name}.jsonl")
    if name.endswith(SUFFIXES):
        return _load_custom(Path(name))
    manifest = load_manifest()
    if name not in manifest:
        raise InputError(
            f"There is no benchmark {name!r}.",
            f"name one of {', '.join([*EMBEDDED, *manifest])}, or a YAML file (docs/benchmarks.md).",
        )
    if benchmarks_folder is None:
        raise InputError(
            f"Benchmark {name!r} needs a published file, and no folder is given.",
            "get it with 'judgeforge fetch benchmarks' and set evaluate.benchmarks_folder in params.yaml.",
        )
    entry = manifest[name]
    path = benchmarks_folder / entry.file.name
    entry.file.check(path)
    return build_published(name, path)


def read_name(entry: str) -> str:
    """Return the name by which verdicts know what ``evaluate.benchmarks`` names: a name, or a YAML file's own."""
    return load_custom(Path(entry)).name if entry.endswith(SUFFIXES) else entry


def build_published(name: str, path: Path) -> Benchmark:
    """Build a published benchmark from ``path``, whose content is not checked here."""
    entry = load_manifest()[name]
    source = Source(name=name, place=str(path), fields={}, rubric=None, options=entry.options)
    return _build(source, entry.format, entry.layout, path)


def _load_custom(path: Path) -> Benchmark:
    custom = load_custom(path)
    if custom.name in {*EMBEDDED, *load_manifest()}:
        raise InputError(
            f"{path} takes the name {custom.name!r}, which a benchmark of judgeforge has.", "give it another name."
        )
    rows = path.parent / custom.file
    source = Source(name=custom.name, place=str(rows), fields=custom.fields, rubric=custom.rubric, options={})
    return _build(source, custom.format, custom.layout, rows)  # type: ignore[arg-type]


def _build(source: Source, format: Format, layout: LayoutName, path: Path) -> Benchmark:
    try:
        items, notes = _LAYOUTS[layout](load_json_rows(path), source)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        raise InputError(f"{path} has a row whose {key} is bad: {fault['msg']}.", "correct that row.") from error
    scales = sorted({entry.item.rubric.scale for entry in items})
    if format == "direct" and len(scales) > 1:
        raise InputError(
            f"{path} has rubrics with scores from {' and from '.join(each.describe() for each in scales)}.",
            "make a benchmark of each: scores on different scales cannot be correlated together.",
        )
    ids = [entry.item.item_id for entry in items]
    if len(set(ids)) < len(ids):
        twice = next(each for each, count in Counter(ids).items() if count > 1)
        raise InputError(f"{path} has two rows of the item_id {twice!r}.", "give each row its own.")
    if not items:
        raise InputError(f"{path} holds nothing to judge. {' '.join(notes)}".rstrip(), "give a file with other rows.")
    return Benchmark(name=source.name, format=format, items=tuple(items), notes=tuple(notes))


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
