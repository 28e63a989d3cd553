"""One merge: check, fold, run mergekit, check again, and write the judge with its provenance."""

import importlib.metadata
import shutil
import tempfile
from pathlib import Path
from typing import Any

from judgeforge.errors import InputError
from judgeforge.files import hash_file, write_folder_atomically, write_json
from judgeforge.grading.templates import TEMPLATE_FILE, load_template, write_template
from judgeforge.merge.checks import EXPERTS, check_adapter_base, check_compatible, check_merged, read_header
from judgeforge.merge.fold import TOKENIZER_FILES, fold_adapter, is_adapter, split_experts
from judgeforge.merge.recipe import build_recipe
from judgeforge.params import MergeParams
from judgeforge.progress import say
from judgeforge.training_sets import load_judge_lineage, write_judge_lineage

PROVENANCE_FILE = "merge.json"


def merge_judges(params: MergeParams, base: Path, direct: Path, pairwise: Path, out: Path) -> dict[str, Any]:
    """Merge two judges into ``out`` and return the provenance that is written beside the weights.

    Args:
        params: the section ``merge``.
        base: the base model of both, needed to fold adapters.
        direct: the direct judge: adapter or full weights.
        pairwise: the pairwise judge.
        out: the merged judge's folder; untouched if anything fails.

    Raises:
        InputError: the judges do not fit together.
        BrokenMergeError: the merged weights are unfit; nothing is written.
    """
    judges = {"direct": direct, "pairwise": pairwise}
    _check_templates(direct, pairwise)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".fold.") as scratch:
        full = {name: _fold(name, folder, base, Path(scratch)) for name, folder in judges.items()}
        check_compatible(full)
        recipe = build_recipe(params, full["direct"], full["pairwise"])
        expected = read_header(full["direct"])
        with write_folder_atomically(out) as folder:
            _run_mergekit(recipe, params, folder)
            if read_header(folder).keys() != expected.keys() and any(EXPERTS in name for name in expected):
                split_experts(folder, params.dtype)
            counts = check_merged(folder, expected)
            _copy_companions(direct, folder)
            write_judge_lineage([load_judge_lineage(judge) for judge in judges.values()], folder)
            provenance = {
                "recipe": recipe | {"models": _name_models(recipe, judges)},
                "inputs": {name: _digest_weights(path) for name, path in (judges | {"base": base}).items()},
                "folded": sorted(name for name, path in judges.items() if is_adapter(path)),
                "seed": params.seed,
                "engine": f"mergekit {importlib.metadata.version('mergekit')}",
                **counts,
            }
            write_json(folder / PROVENANCE_FILE, provenance)
    return provenance


def _check_templates(direct: Path, pairwise: Path) -> None:
    first, second = load_template(direct), load_template(pairwise)
    if first.compute_digest() != second.compute_digest():
        raise InputError(
            f"The judges were trained with different templates: {first.name} and {second.name}.",
            "train both on sets that one 'prepare' wrote.",
        )


def _fold(name: str, judge: Path, base: Path, scratch: Path) -> Path:
    if not is_adapter(judge):
        return judge
    check_adapter_base(name, judge, read_header(base))
    say(f"Folding the adapter of {name} into the base model.")
    folder = scratch / name
    folder.mkdir()
    fold_adapter(base, judge, folder)
    return folder


def _run_mergekit(recipe: dict[str, Any], params: MergeParams, folder: Path) -> None:
    from mergekit.config import MergeConfiguration  # noqa: PLC0415 - ten seconds of imports, after the checks
    from mergekit.io.tasks import LoaderCache  # noqa: PLC0415
    from mergekit.merge import run_merge  # noqa: PLC0415
    from mergekit.options import MergeOptions  # noqa: PLC0415

    options = MergeOptions(copy_tokenizer=False, write_model_card=False, random_seed=params.seed, quiet=False)
    try:
        run_merge(MergeConfiguration.model_validate(recipe), str(folder), options)
    finally:
        # mergekit keeps files open by path as long as the process lives: a second merge would read the first's weights.
        LoaderCache().loaders.clear()


def _copy_companions(judge: Path, folder: Path) -> None:
    for name in TOKENIZER_FILES:
        if (judge / name).is_file():
            shutil.copyfile(judge / name, folder / name)
    write_template(load_template(judge / TEMPLATE_FILE), folder)


def _name_models(recipe: dict[str, Any], judges: dict[str, Path]) -> list[dict[str, Any]]:
    """Name the judges in place of scratch folders, which are gone when somebody reads the provenance."""
    return [{**entry, "model": str(path)} for entry, path in zip(recipe["models"], judges.values(), strict=True)]


def _digest_weights(folder: Path) -> dict[str, str]:
    return {path.name: hash_file(path) for path in sorted(folder.glob("*.safetensors"))}
