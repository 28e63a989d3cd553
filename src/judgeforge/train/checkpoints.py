"""Checkpoints: keyed by all that goes into a run, so that a changed run never resumes a stale one.

They stand outside DVC's outputs, which DVC deletes before it runs a stage.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from judgeforge.files import hash_file, write_text

_MARK = "COMPLETE"


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


def mark_complete(folder: str | Path, step: int) -> None:
    """Mark the checkpoint of ``step`` as whole."""
    write_text(Path(folder) / f"checkpoint-{step}" / _MARK, "")


def find_newest(folder: Path) -> Path | None:
    """Find the newest whole checkpoint; one torn by a kill has no mark and is passed over."""
    whole = [path for path in folder.glob("checkpoint-*") if (path / _MARK).is_file()]
    return max(whole, key=lambda path: int(path.name.rsplit("-", 1)[1]), default=None)


def discard_others(root: Path, key: str) -> None:
    """Delete the checkpoints of runs with other inputs: nothing will resume them."""
    for path in root.glob("*"):
        if path.is_dir() and path.name != key:
            shutil.rmtree(path)
