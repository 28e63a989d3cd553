"""The data that judges were last trained on, as a note: so that a nightly look retrains for new data alone."""

import hashlib
import json
from pathlib import Path

from judgeforge.errors import InputError
from judgeforge.files import load_json, write_json
from judgeforge.lineage import load_lock

_NOTE = Path(".judgeforge/retrained_data.json")
_SOURCE = "prepare"
_LEARNERS = ("train@", "warm_up@")


def describe_data() -> str | None:
    """Return the digest of what ``prepare`` wrote and trainings read, as dvc.lock has it; None: nothing was trained.

    What ``prepare`` writes for people, and benchmarks, are left out: they change no judge.
    """
    lock = load_lock()
    read = {dep["path"] for name, entry in lock.items() if name.startswith(_LEARNERS) for dep in entry.get("deps", [])}
    outs = lock.get(_SOURCE, {}).get("outs", [])
    known = sorted((out["path"], str(out.get("md5", ""))) for out in outs if out["path"] in read)
    return hashlib.sha256(json.dumps(known).encode()).hexdigest() if known else None


def note_data(data: str | None) -> None:
    """Note that a retraining has come to its end, or awaits approval, whatever the gate said of the judge.

    Args:
        data: what it was trained on, by ``describe_data`` while it held the workspace.
    """
    write_json(_NOTE, {"data": data})


def has_new_data() -> bool:
    """Whether trainings would read other data than those of the last retraining that came to its end."""
    try:
        noted = load_json(_NOTE).get("data")
    except (InputError, AttributeError):
        return True
    return noted is None or noted != describe_data()
