"""Whether workers can read the benchmark files that their stages need: git and DVC alone bring files to them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from flows.remote.snapshot import ask_git
from judgeforge.benchmarks.custom import SUFFIXES, load_custom
from judgeforge.benchmarks.manifest import load_manifest
from judgeforge.errors import InputError
from judgeforge.files import read_text
from judgeforge.params import Params

_FOLDER = "benchmark-files"
_PUBLISHED = (
    f"run 'judgeforge fetch benchmarks --into {_FOLDER}' and 'dvc add {_FOLDER}', set {{key}} to {_FOLDER}, "
    f"and commit {_FOLDER}.dvc (docs/operators-guide.md)."
)
_OWN = "run 'dvc add' on it, and commit the .dvc file that this writes."


@dataclass(frozen=True)
class _Need:
    """A file that a stage reads, and the remedy where a worker cannot."""

    stage: str
    path: Path
    remedy: str


def check_benchmark_files(params: Params, stages: Collection[str]) -> None:
    """Check that the benchmark files that ``stages`` read get to a worker.

    A standing worker may have files outside of its checkout under the same path as here; a raised machine has none.

    Args:
        params: of the project.
        stages: that run on workers.

    Raises:
        InputError: a file is in neither git nor DVC.
    """
    root = Path.cwd().resolve()
    outputs: list[Path] | None = None
    for need in _list_needs(params, stages):
        place = need.path.parent.resolve() / need.path.name  # DVC may have made a link of the file itself
        if not place.is_relative_to(root):
            if params.runner.provider == "standing":
                continue
        elif ask_git("ls-files", "--", str(place)):
            continue
        else:
            outputs = _list_outputs(root) if outputs is None else outputs
            if any(place.is_relative_to(output) for output in outputs):
                continue
        raise InputError(
            f"Stage {need.stage} is to run on a worker, and {need.path}, which it reads, is in neither git nor DVC: "
            "the worker would not have it.",
            need.remedy,
        )


def _list_needs(params: Params, stages: Collection[str]) -> Iterator[_Need]:
    evaluate, overlap = params.evaluate, params.prepare.quality.overlap
    judged = ("evaluate.benchmarks_folder", evaluate.benchmarks, evaluate.benchmarks_folder)
    kept_clean = ("prepare.quality.overlap.benchmarks_folder", overlap.drop_overlap_with, overlap.benchmarks_folder)
    readers = dict.fromkeys(("audit", "evaluate", "reference", "report"), judged) | {"prepare": kept_clean}
    manifest = load_manifest()
    for stage in stages:
        key, names, folder = readers.get(stage.split("@", 1)[0], ("", (), None))
        for name in names:
            if name.endswith(SUFFIXES):
                yield _Need(stage, Path(name), _OWN)
                yield _Need(stage, Path(name).parent / load_custom(Path(name)).file, _OWN)
            elif folder and name in manifest:  # others are embedded, or the stage says what is wrong
                yield _Need(stage, Path(folder) / manifest[name].file.name, _PUBLISHED.format(key=key))


def _list_outputs(root: Path) -> list[Path]:
    """Return what .dvc files track; those that are not committed yet travel, too."""
    listing = ask_git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.dvc")
    found = []
    for pointer in (Path(name) for name in listing.split("\0") if name and Path(name).is_file()):
        document = yaml.safe_load(read_text(pointer))
        if isinstance(document, dict):
            folder = root / pointer.parent / document.get("wdir", ".")
            found += [(folder / output["path"]).resolve() for output in document.get("outs", ())]
    return found
