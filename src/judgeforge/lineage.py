"""Where a judge comes from: the commit of the code, and the digests that DVC wrote into dvc.lock."""

import contextlib
import hashlib
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from judgeforge.errors import InputError
from judgeforge.files import read_text

LOCK_FILE = Path("dvc.lock")
_DATA_STAGE = "prepare"
_PACKAGES = (
    "judgeforge",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "peft",
    "deepspeed",
    "mergekit",
    "vllm",
)


def load_lock(path: Path = LOCK_FILE) -> dict[str, Any]:
    """Read the stages of dvc.lock: name to ``deps`` and ``outs``, each with ``path`` and digest; {} without the file.

    Raises:
        InputError: it is not what DVC writes.
    """
    if not path.is_file():
        return {}
    try:
        document = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML.", "restore it from git, or delete it and run again.") from error
    stages = document.get("stages") if isinstance(document, dict) else None
    return stages if isinstance(stages, dict) else {}


def find_out(stage: str, suffix: str) -> Path:
    """Return the output of ``stage`` whose name ends in ``suffix`` ("" for a folder), as dvc.lock records it.

    Raises:
        InputError: the stage has not run.
    """
    for out in load_lock().get(stage, {}).get("outs", []):
        if Path(out["path"]).suffix == suffix:
            return Path(out["path"])
    raise InputError(f"dvc.lock names no output of stage {stage!r}.", "run 'judgeforge retrain' or 'dvc repro' first.")


def describe_lineage(lock: Path = LOCK_FILE) -> dict[str, str]:
    """Return tags: the git commit (marked ``-dirty`` where files differ), dvc.lock's SHA-256, the data's digests.

    What cannot be known (no git, no lock file) is left out.
    """
    tags = {}
    commit = _ask_git("rev-parse", "HEAD")
    if commit:
        changed = _ask_git("status", "--porcelain", "--untracked-files=no")
        tags["git_commit"] = f"{commit}-dirty" if changed else commit
    if lock.is_file():
        tags["dvc_lock_sha256"] = hashlib.sha256(lock.read_bytes()).hexdigest()
    for out in load_lock(lock).get(_DATA_STAGE, {}).get("outs", []):
        tags[f"data.{out['path']}"] = str(out.get("md5", ""))
    return tags


def describe_packages() -> dict[str, str]:
    """Return tags: the versions of those packages that decide what a judge is and what it says."""
    tags = {}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            tags[f"package.{name}"] = version(name)
    return tags


def _ask_git(*arguments: str) -> str:
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
