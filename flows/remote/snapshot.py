"""What a worker must know to run a stage: the commit, and the few small files that a retraining changes beside it."""

import hashlib
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from flows.pipeline import Graph, find_upstream
from flows.remote.bases import find_bases
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.files import read_text, write_text

PARAMS = "params.yaml"
LOCK = "dvc.lock"
_POINTER = ".dvc"
_MOST_NAMED = 3
_LOCK_LOOK_S, _LOCK_S = 1.0, 60.0


class Snapshot(BaseModel):
    """The state of a project that a stage runs on.

    Args:
        commit: of the code, as 40 hexadecimal digits.
        files: path to text, of the files of DVC and the parameters, which may differ from the commit's.
        bases: stages whose outputs the stage reads though dvc.yaml does not list them (``find_bases``).
    """

    model_config = ConfigDict(frozen=True)

    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    files: dict[str, str]
    bases: tuple[Annotated[str, Field(pattern=r"^\w[\w@./-]*$")], ...] = ()

    def digest(self, stage: str) -> str:
        """Return a digest that is equal where the same stage is to run on the same state."""
        return hashlib.sha256(f"{stage}\0{self.model_dump_json()}".encode()).hexdigest()[:24]


def take_snapshot(stage: str, graph: Graph) -> Snapshot:
    """Describe this project to a worker that is to run ``stage``.

    Of dvc.lock only the stages that ``stage`` needs are told: others change while it runs, and do not matter to it.

    Raises:
        InputError: this is no git checkout, or files differ from the commit that a worker could not see.
        EnvironmentFault: dvc.lock is not whole.
    """
    changed = _list_changed()
    unseen = sorted(name for name in changed if not _travels(name))
    if unseen:
        more = len(unseen) - _MOST_NAMED
        named = ", ".join(unseen[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        raise InputError(
            f"Files differ from the commit, and a worker would not see them: {named}.",
            "commit them (and push), or remove or ignore them.",
        )
    pointers = [name for name in ask_git("ls-files", "-z", "--", f"*{_POINTER}").split("\0") if name]
    names = {name for name in [PARAMS, *pointers, *changed] if Path(name).is_file()} - {LOCK}
    files = {name: read_text(Path(name)) for name in sorted(names)}
    lock = _cut_lock({name for name in find_upstream(graph, stage) if not name.endswith(_POINTER)})
    makers = {
        out["path"]: name for name, entry in yaml.safe_load(lock)["stages"].items() for out in entry.get("outs", ())
    }
    outs = sorted(path for path, name in makers.items() if name in graph.get(stage, ()))
    bases = {_find_maker(base, makers) for base in find_bases(outs) if f"{base}{_POINTER}" not in files}
    commit = ask_git("rev-parse", "HEAD").strip()
    return Snapshot(commit=commit, files=files | {LOCK: lock}, bases=tuple(sorted(bases)))


def _find_maker(base: str, makers: Mapping[str, str]) -> str:
    """Return the stage that makes a model. DVC's targets are then all of one kind: mixed, it leaves paths out."""
    if base not in makers:
        raise InputError(
            f"An adapter is for the model {base}, which no stage that it comes from makes, and DVC does not track.",
            f"run 'dvc add {base}', and train the adapter again if it was for another one.",
        )
    return makers[base]


def restore_snapshot(snapshot: Snapshot, kept: Iterable[str], lock: int) -> None:
    """Bring this checkout to the state of a snapshot, without anything that an earlier stage left.

    Args:
        snapshot: of the flow's project.
        kept: ignored paths that stay: DVC's cache, progress of stages, the environment.
        lock: file descriptor of the checkout's lock.

    Raises:
        EnvironmentFault: the commit is not in the repository that this is a clone of, or this checkout's git fails.
    """
    _remove_git_locks()
    if not _has_commit(snapshot.commit):
        _ask_origin()
    if not _has_commit(snapshot.commit):
        raise EnvironmentFault(
            f"The worker's repository has no commit {snapshot.commit}.", "push it to the repository that workers clone."
        )
    _change(lock, "checkout", "--quiet", "--force", "--detach", snapshot.commit)
    _change(lock, "clean", "-ffdxq", *(part for name in kept for part in ("-e", f"/{name}")))
    for name, text in snapshot.files.items():
        path = Path(name)
        if path.is_absolute() or ".." in path.parts or not _travels(name):
            raise InputError(f"A snapshot may not write {name}.", "start the stage by the flow retrain.")
        write_text(path, text)


def _remove_git_locks() -> None:
    """Remove what a git leaves that was killed with its stage: whoever holds the checkout has no other git at work."""
    for name in ("index.lock", "HEAD.lock"):
        done = subprocess.run(["git", "rev-parse", "--git-path", name], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            Path(done.stdout.strip()).unlink(missing_ok=True)


def _change(lock: int, *arguments: str) -> None:
    """Have git change this checkout. What fails here is the worker's, and another one may do better."""
    command = ["git", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, pass_fds=(lock,))
    if done.returncode != 0:
        raise EnvironmentFault(
            f"git {arguments[0]} fails on the worker: {_last_line(done.stderr)}.",
            "see the worker's checkout, or clone it anew.",
        )


def _travels(name: str) -> bool:
    return name in (PARAMS, LOCK) or name.endswith(_POINTER)


def _list_changed() -> list[str]:
    listing = ask_git("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
    return [entry[3:] for entry in listing.split("\0") if entry]


def _cut_lock(stages: set[str]) -> str:
    document = _read_lock(stages)
    known = document["stages"]
    return yaml.safe_dump(document | {"stages": {name: known[name] for name in sorted(stages & known.keys())}})


def _read_lock(stages: set[str]) -> dict[str, Any]:
    """Read dvc.lock whole: DVC writes it anew in place while other stages end, which takes it up to a second.

    Raises:
        EnvironmentFault: it is not whole, or lacks one of ``stages``, for longer than any writing takes.
    """
    if not stages:
        return {"schema": "2.0", "stages": {}}
    deadline, before = time.monotonic() + _LOCK_S, ""
    while True:
        text = read_text(Path(LOCK)) if Path(LOCK).is_file() else ""
        if text == before and (document := _parse_lock(text)) and stages <= document["stages"].keys():
            return document
        if time.monotonic() > deadline:
            raise EnvironmentFault(f"{LOCK} is not whole, or lacks {sorted(stages)}.", "run 'dvc status', and again.")
        before = text
        time.sleep(_LOCK_LOOK_S)


def _parse_lock(text: str) -> dict[str, Any] | None:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    return document if isinstance(document, dict) and isinstance(document.get("stages"), dict) else None


def _has_commit(commit: str) -> bool:
    done = subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True, check=False)
    return done.returncode == 0


def _ask_origin() -> None:
    done = subprocess.run(["git", "fetch", "--quiet", "origin"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EnvironmentFault(
            f"The worker cannot fetch from its repository: {_last_line(done.stderr)}.", "see whether it is reachable."
        )


def ask_git(*arguments: str) -> str:
    """Run git here and return what it prints.

    Raises:
        InputError: this is no git checkout, or git refuses.
    """
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InputError(
            f"git {arguments[0]}: {_last_line(done.stderr)}.", "run this in a git checkout: workers need a commit."
        )
    return done.stdout


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1].rstrip(".")
