"""Checkpoints: keyed by all that goes into a run, so that a changed run never resumes a stale one.

They stand outside DVC's outputs, which DVC deletes before it runs a stage.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from judgeforge.errors import InputError
from judgeforge.files import hash_file, load_json, write_json
from judgeforge.params import DistributionParams

_MARK = "COMPLETE"
TOKENS = "tokens"
"""Folder beside the runs' checkpoints: tokens depend on less than a run does, and are kept when it is done."""
BAD_UPDATES = "bad-updates"
"""Folder of the rows of bad updates: somebody is to look at them, whatever becomes of the run."""
_LAYOUT = "distribution.json"


def compute_run_key(values: dict[str, Any], files: Iterable[Path]) -> str:
    """Return a digest of a run's inputs.

    Args:
        values: parameters, JSON-ready.
        files: input files, by content; their order does not matter.
    """
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for path in sorted(files):
        digest.update(f"{path.name}\0{hash_file(path)}".encode())
    return digest.hexdigest()[:16]


def seal(checkpoint: Path) -> None:
    """Mark a checkpoint as whole, once all its files are on the disk: the mark holds their sizes."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != _MARK)
    for path in files:
        with path.open("rb") as handle:
            os.fsync(handle.fileno())
    write_json(checkpoint / _MARK, {str(path.relative_to(checkpoint)): path.stat().st_size for path in files})


def find_newest(folder: Path) -> Path | None:
    """Find the newest whole checkpoint; one torn by a kill or a power cut is passed over."""
    whole = [path for path in folder.glob("checkpoint-*") if _is_whole(path)]
    return max(whole, key=_get_step, default=None)


def _is_whole(checkpoint: Path) -> bool:
    try:
        sizes = load_json(checkpoint / _MARK)
    except InputError:  # there is none, or it was torn itself
        return False
    return all((checkpoint / name).is_file() and (checkpoint / name).stat().st_size == sizes[name] for name in sizes)


def write_layout(checkpoint: Path, distribution: DistributionParams) -> None:
    """Note in a checkpoint, before it is sealed, between how many processes and how it is split."""
    write_json(checkpoint / _LAYOUT, _describe(distribution))


def require_layout(checkpoint: Path, distribution: DistributionParams) -> None:
    """Check that a checkpoint can be gone on from: its parts are those of its processes, and so is the order of rows.

    The run's key leaves the distribution out, so that a changed one neither resumes a checkpoint nor discards it.

    Raises:
        InputError: it was split otherwise.
    """
    then, now = load_json(checkpoint / _LAYOUT), _describe(distribution)
    if then != now:
        raise InputError(
            f"{checkpoint} is of {_render(then)}, but train.distribution now says {_render(now)}.",
            f"set train.distribution back to go on from it, or delete {checkpoint.parent} to begin anew.",
        )


def _describe(distribution: DistributionParams) -> dict[str, Any]:
    return {
        "processes": distribution.world_size,
        "engine": distribution.engine,
        "offload": distribution.offload,
    }


def _render(layout: dict[str, Any]) -> str:
    offload = " with offload" if layout["offload"] else ""
    return f"{layout['processes']} process(es) and engine {layout['engine']}{offload}"


def rotate(folder: Path, keep: int, best: str | None) -> None:
    """Delete all but the newest whole checkpoints, once the newest is whole.

    Args:
        folder: of the run's checkpoints.
        keep: how many stay.
        best: one that stays, too.
    """
    whole = sorted((each for each in folder.glob("checkpoint-*") if _is_whole(each)), key=_get_step)
    for path in whole[:-keep]:
        if best is None or path.name != Path(best).name:
            shutil.rmtree(path)


def discard_torn(folder: Path) -> None:
    """Delete what a kill left of a checkpoint that was being written."""
    for path in folder.glob("checkpoint-*"):
        if not _is_whole(path):
            shutil.rmtree(path)


def _get_step(checkpoint: Path) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1])


def discard_others(root: Path, key: str) -> None:
    """Delete the checkpoints of runs with other inputs: nothing will resume them."""
    for path in root.glob("*"):
        if path.is_dir() and path.name not in (key, TOKENS, BAD_UPDATES):
            shutil.rmtree(path)
