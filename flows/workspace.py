"""One retraining at a time in a working folder, and the note of the last one that went through to its end."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from flows.data_note import describe_data, note_data
from flows.locking import take_lock
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.files import load_json, write_json
from judgeforge.lineage import LOCK_FILE
from judgeforge.params import Params
from judgeforge.tracking import store_exists, tracking_address

_LOCK = Path(".judgeforge/retrain.lock")
_NOTE = Path(".judgeforge/retrained.json")
_GPU = Path("/dev/nvidia0")
_MEMORY = Path("/proc/meminfo")
_STAGE_MEMORY_GIB = 4
"""What a stage is taken to need, for the number that run side by side: the demo's training peaks at about half."""


@contextlib.contextmanager
def workspace_lock() -> Iterator[int]:
    """Hold the working folder against a second retraining, and give the lock's file descriptor for stages to inherit.

    A stage that outlives a killed flow holds it on, so that no second flow works beside it on the same files.

    Raises:
        EnvironmentFault: a retraining, or a stage of a killed one, is at work here.
    """
    _LOCK.parent.mkdir(parents=True, exist_ok=True)
    with _LOCK.open("a+") as handle:
        if not take_lock(handle):
            handle.seek(0)
            raise EnvironmentFault(
                f"A retraining (process {handle.read().strip() or '?'}), or a stage that it left, is at work here.",
                "wait until it is done, or end it ('ps' shows dvc and python -m judgeforge).",
            )
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield handle.fileno()


class State(NamedTuple):
    """What was retrained, as dvc.lock had it. Taken under the workspace's lock: later, dvc.lock may be another's.

    Args:
        key: digest of dvc.lock, of the values of the gate and of where it is recorded.
        data: digest of the training data; None: nothing was trained.
    """

    key: str
    data: str | None


def describe_state(params: Params) -> State:
    """Describe what dvc.lock has now."""
    return State(_describe(params), describe_data())


def has_been_retrained(params: Params, promote: bool) -> bool:
    """Whether the state of dvc.lock has been recorded and registered already, by the last retraining to end well."""
    note = _read_note()
    return note.get("key") == _describe(params) and bool(note.get("promote") or not promote) and store_exists()


def note_retrained(state: State, promote: bool) -> None:
    """Note that a state has been recorded and registered.

    Args:
        state: of the retraining.
        promote: whether the gate has settled it, too.
    """
    write_json(_NOTE, {"key": state.key, "promote": promote})
    note_data(state.data)


def note_answer(state: State) -> None:
    """Note that a person has settled it, unless another retraining has ended since, whose note stands.

    Args:
        state: of the retraining that waited.
    """
    if _read_note().get("key") == state.key:
        write_json(_NOTE, {"key": state.key, "promote": True})


def _read_note() -> dict[str, Any]:
    try:
        note = load_json(_NOTE)
    except InputError:
        return {}
    return note if isinstance(note, dict) else {}


def _describe(params: Params) -> str:
    lock = LOCK_FILE.read_text("utf-8") if LOCK_FILE.is_file() else ""
    parts = [lock, params.promote.model_dump(mode="json"), params.evaluate.model_dump(mode="json"), tracking_address()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def choose_parallelism() -> int:
    """Choose how many stages run side by side: one on a GPU, which they would share; else two if there is room."""
    if _GPU.exists():
        return 1
    cores = len(os.sched_getaffinity(0))
    return max(1, min(2, cores, int(_read_available_gib() // _STAGE_MEMORY_GIB)))


def _read_available_gib() -> float:
    try:
        text = _MEMORY.read_text()
    except OSError:
        return _STAGE_MEMORY_GIB
    kib = next((line.split()[1] for line in text.splitlines() if line.startswith("MemAvailable:")), "0")
    return int(kib) / 2**20
