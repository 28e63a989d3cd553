"""The reference engine: mergekit, whose results ours are held against; every adapter is folded by peft first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mergekit.config import MergeConfiguration
from mergekit.io.tasks import LoaderCache
from mergekit.merge import run_merge
from mergekit.options import MergeOptions

from judgeforge.merge.recipe import build_recipe
from judgeforge.params import MergeParams
from judgeforge.weights.adapters import EXPERTS
from judgeforge.weights.drift import BrokenMergeError, Norms, measure_norms
from judgeforge.weights.fold import split_experts
from judgeforge.weights.headers import Header, read_header
from judgeforge.weights.mapped import MappedFolder
from judgeforge.weights.methods import Block
from judgeforge.weights.opening import fold_part
from judgeforge.weights.parts import JudgePart

_WHOLE = slice(None)


def merge_by_mergekit(
    params: MergeParams, parts: Sequence[JudgePart], base: Path, header: Header, folder: Path, scratch: Path
) -> dict[str, Norms]:
    """Merge into ``folder``.

    Args:
        params: the section ``merge``.
        parts: the direct and the pairwise judge.
        base: their base.
        header: of what is merged.
        folder: an empty one.
        scratch: for folded adapters.

    Returns:
        Norms of every tensor.

    Raises:
        BrokenMergeError: tensors are missing or not finite.
    """
    direct, pairwise = (fold_part(part, scratch) if part.is_adapter else part.folder for part in parts)
    recipe = build_recipe(params, direct, pairwise, base)
    _run(recipe, params, folder)
    if read_header(folder).keys() != header.keys() and any(EXPERTS in name for name in header):
        split_experts(folder, params.dtype)
    return _measure(MappedFolder(folder), MappedFolder(direct), MappedFolder(pairwise), header)


def _run(recipe: dict[str, Any], params: MergeParams, folder: Path) -> None:
    options = MergeOptions(copy_tokenizer=False, write_model_card=False, random_seed=params.seed, quiet=False)
    try:
        run_merge(MergeConfiguration.model_validate(recipe), str(folder), options)
    finally:
        # mergekit keeps files open by path as long as the process lives: a second merge would read the first's weights.
        LoaderCache().loaders.clear()


def _measure(merged: MappedFolder, direct: MappedFolder, pairwise: MappedFolder, expected: Header) -> dict[str, Norms]:
    remedy = "report it, with merge.json; nothing was published."
    if odd := sorted(expected.keys() ^ merged.header.keys()):
        raise BrokenMergeError(f"Merged weights: {len(odd)} tensors missing or new, as {odd[0]}.", remedy)
    norms = {}
    for name, place in merged.header.items():
        if place.shape != expected[name].shape:
            raise BrokenMergeError(f"Merged weights: {name} has shape {list(place.shape)}.", remedy)
        judges = Block(direct.read(name, _WHOLE), pairwise.read(name, _WHOLE), base=None, lot=name)
        norms[name] = measure_norms(name, merged.read(name, _WHOLE), judges)
    return norms
