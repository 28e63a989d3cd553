"""What a stage has done so far, kept in DVC's remote while it runs, so that another machine can go on from there.

A DVC project of its own beside the checkout's carries it: its commands neither wait for the running stage's lock nor
fill the stage's cache, which is emptied after each push. Where the newest one lies is told by a Prefect artifact.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.exceptions import PrefectHTTPStatusError

from flows.logs import Log
from flows.pipeline import explain_dvc
from flows.remote.patience import ask_patiently
from judgeforge.errors import EnvironmentFault
from judgeforge.files import read_text, write_text

HOME = Path(".judgeforge")
_JOURNALS = "journal"
FOLDERS = ("checkpoints", _JOURNALS)
"""Below ``HOME``: where dvc.yaml lets stages keep what they have done (a test holds it to that)."""

_REPRODUCIBLE = "tokens"  # made anew in less time than they take to travel
_SEALED = "COMPLETE"
_TORN = re.compile(r"checkpoint-\d+")
_OWNER = HOME / "stage.txt"
_PROJECT = HOME / "sync"
_BELOW = "progress"
_FINISH_S = 60.0
_AWAY = (EnvironmentFault, OSError, httpx.HTTPError, PrefectHTTPStatusError)


def claim_progress(stage: str) -> None:
    """Make the progress on this machine ``stage``'s: another stage's is deleted, its own stays from an earlier try."""
    if not _OWNER.is_file() or read_text(_OWNER) != stage:
        for name in FOLDERS:
            shutil.rmtree(HOME / name, ignore_errors=True)
        write_text(_OWNER, stage)


def name_artifact(model: str, stage: str) -> str:
    """Return the key under which the server keeps where a stage's progress lies."""
    return re.sub(r"[^a-z0-9]+", "-", f"progress-{model}-{stage}".lower()).strip("-")


class Syncing:
    """Push a stage's progress every so often while it runs, and once more if it fails.

    Args:
        key: of the Prefect artifact.
        every_s: pause between two pushes.
        log: takes what goes wrong: a failure costs time after a lost machine, and never the stage.
    """

    def __init__(self, key: str, every_s: float, log: Log) -> None:
        self._key, self._every_s, self._log = key, every_s, log
        self._pushed = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="syncing", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if error is not None:
            self.push()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self.push()

    def push(self) -> None:
        """Send what there is now, unless it is what was sent last."""
        try:
            pointer = push_progress()
            if pointer and pointer != self._pushed:
                with get_client(sync_client=True) as client:
                    _note(client, self._key, pointer)
                self._pushed = pointer
                self._log.info("Progress is in the remote.")
        except _AWAY as error:
            self._log.warning("Progress could not be sent: %s", error)


def fetch_progress(key: str, log: Log) -> None:
    """Bring a stage's newest progress here. What is here already stays; without any, the stage begins anew."""
    pointer = ask_patiently(lambda client: _read(client, key))
    if not pointer:
        return
    try:
        pull_progress(pointer)
        log.info("The stage goes on from what was done on another machine.")
    except EnvironmentFault as error:
        log.warning("The stage's progress is not to be had, so it begins anew: %s", error)


def finish_progress(key: str, log: Log) -> None:
    """Note that a stage is done: its checkpoints lead nowhere from now on, and nobody should fetch them.

    Its journals stay, for the next one may ask some of the same questions.

    Args:
        key: of the Prefect artifact.
        log: takes what goes wrong: it costs the next one time, and never this stage.
    """
    try:
        if ask_patiently(lambda client: _read(client, key), _FINISH_S):
            pointer = push_progress([_JOURNALS])
            ask_patiently(lambda client: _note(client, key, pointer), _FINISH_S)
    except _AWAY as error:
        log.warning("The next try of this stage may fetch checkpoints that lead nowhere: %s", error)


def _read(client: SyncPrefectClient, key: str) -> str:
    chosen = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    newest: Any = "CREATED_DESC"
    found = client.read_artifacts(artifact_filter=chosen, sort=newest, limit=1)
    return str(found[0].data or "") if found else ""


def _note(client: SyncPrefectClient, key: str, pointer: str) -> None:
    client.create_artifact(ArtifactCreate(key=key, type="markdown", data=pointer))


def push_progress(folders: Sequence[str] = FOLDERS) -> str:
    """Send the progress that is here to DVC's remote, and return the pointer to it; "" where there is none.

    Args:
        folders: below ``HOME``.
    """
    _open_project()
    staged = _PROJECT / _BELOW
    shutil.rmtree(staged, ignore_errors=True)
    count = 0
    for source in _list_files(folders):
        target = staged / source.relative_to(HOME)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            # A sealed checkpoint never changes; a journal grows, and DVC must not hold the file that it grows in.
            (os.link if _is_sealed(source) else shutil.copy2)(source, target)
            count += 1
        except FileNotFoundError:
            continue  # rotated away just now
    if not count:
        return ""
    _ask_dvc("add", _BELOW)
    _ask_dvc("push")
    shutil.rmtree(_PROJECT / ".dvc/cache", ignore_errors=True)
    return read_text(_PROJECT / f"{_BELOW}.dvc")


def pull_progress(pointer: str) -> None:
    """Fetch from DVC's remote what ``pointer`` names, and lay it beside what is here.

    Of a sealed checkpoint that is here, nothing is touched. Journals only grow: the longer one of two is the newer.
    """
    _open_project()
    staged = _PROJECT / _BELOW
    shutil.rmtree(staged, ignore_errors=True)
    write_text(_PROJECT / f"{_BELOW}.dvc", pointer)
    _ask_dvc("pull", "--force")
    for path in [path for path in staged.rglob("*") if path.is_file()]:
        path.chmod(0o644)
    for seal in list(staged.rglob(_SEALED)):
        _lay_checkpoint(seal.parent, HOME / seal.parent.relative_to(staged))
    for source in [path for path in staged.rglob("*") if path.is_file()]:
        target = HOME / source.relative_to(staged)
        if not target.is_file() or target.stat().st_size < source.stat().st_size:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
    shutil.rmtree(_PROJECT / ".dvc/cache", ignore_errors=True)


def _lay_checkpoint(source: Path, target: Path) -> None:
    """Take a sealed checkpoint whole: mixed with files that a kill cut off here, it would be none."""
    if (target / _SEALED).is_file():
        shutil.rmtree(source)
        return
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def _list_files(folders: Sequence[str]) -> Iterator[Path]:
    for name in folders:
        for path in sorted((HOME / name).rglob("*")):
            inside = path.relative_to(HOME).parts
            if path.is_file() and _REPRODUCIBLE not in inside and not _is_torn(path):
                yield path


def _is_sealed(path: Path) -> bool:
    return any((parent / _SEALED).is_file() for parent in path.parents)


def _is_torn(path: Path) -> bool:
    checkpoint = next((parent for parent in path.parents if _TORN.fullmatch(parent.name)), None)
    return checkpoint is not None and not (checkpoint / _SEALED).is_file()


def _open_project() -> None:
    """Make the project for progress, unless it is there: with the checkout's remotes, its default one a folder down."""
    settings = _PROJECT / ".dvc"
    ready = _PROJECT / "ready.txt"
    if ready.is_file():
        return
    shutil.rmtree(_PROJECT, ignore_errors=True)
    _PROJECT.mkdir(parents=True)
    _ask_dvc("init", "--no-scm", "--quiet")
    for name in ("config", "config.local"):
        if (Path(".dvc") / name).is_file():
            shutil.copyfile(Path(".dvc") / name, settings / name)
    remote = _ask_dvc("config", "core.remote").strip()
    url = _ask_dvc("config", f"remote.{remote}.url").strip()
    if "://" not in url:
        url = str((Path(".dvc") / url).resolve())
    _ask_dvc("remote", "modify", "--local", remote, "url", f"{url.rstrip('/')}/{_BELOW}")
    _ask_dvc("config", "--local", "core.no_scm", "true")  # the checkout's git ignores this folder
    write_text(ready, remote)


def _ask_dvc(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=_PROJECT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = explain_dvc(done.stderr or done.stdout).problem
        raise EnvironmentFault(f"dvc {arguments[0]} of a stage's progress failed: {said}", "see DVC's remote.")
    return done.stdout
