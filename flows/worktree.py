"""A working folder of its own for one retraining: a git worktree of a commit, with the checkout's DVC cache.

What the checkout holds is neither changed nor read, but for what is versioned nowhere and only costs time or money to
have again: DVC's cache, answers that were paid for, and published benchmark files.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flows.commands import GRACE_S, Finished, explain_exit, run_command
from flows.locking import take_lock
from flows.logs import find_logger
from flows.pipeline import explain_dvc
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.params import load_params
from judgeforge.tracking import tracking_address
from judgeforge.tracking.store import ADDRESS_VARIABLE

_PLACE = Path(".judgeforge/on-demand")
_ANSWERS = Path(".judgeforge/answers.sqlite")
_FLOW_GRACE_S = 300.0
"""For a flow to settle its stages (up to 90 s), and then to end its machines and the guard that watches them."""

_HERE = 'unset PREFECT__FLOW_RUN_ID; cd "$0" && exec "$@"'
"""A flow that runs in the folder is a flow run of its own, not the one that called it."""


class Worktree:
    """A working folder of a commit.

    Args:
        folder: where.
        commit: its number.
    """

    def __init__(self, folder: Path, commit: str) -> None:
        self.folder, self.commit = folder, commit

    def run(self, arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> Finished:
        """Run a Python module of the commit's own code in the folder.

        Args:
            arguments: module and options, as behind ``python -m``.
            variables: to add to the environment.
        """
        paths = os.pathsep.join([str(self.folder / "src"), str(self.folder)])
        environment = {"PYTHONPATH": paths, ADDRESS_VARIABLE: _find_store()} | dict(variables or {})
        command = ["sh", "-c", _HERE, str(self.folder), sys.executable, "-m", *arguments]
        grace_s = _FLOW_GRACE_S if arguments[0].startswith("flows.") else GRACE_S
        return run_command(command, environment, find_logger().info, grace_s=grace_s)

    def compose(self, recipe: Sequence[str], settings: Sequence[str]) -> None:
        """Write params.yaml from recipes; the retraining records it, and tells it to workers.

        Args:
            recipe: names of recipes.
            settings: KEY=VALUE over them.

        Raises:
            InputError: no such recipe or key.
        """
        options = [word for setting in settings for word in ("--set", setting)]
        finished = self.run(["judgeforge.cli", "recipe", *recipe, *options])
        if finished.code:
            raise explain_exit("recipe", finished.code, finished.output)

    def fetch_data(self) -> None:
        """Bring the files here that DVC versions by .dvc files, from its cache or else its remote.

        Raises:
            InputError, EnvironmentFault: what DVC says.
        """
        files = _git(["ls-files", "--", "*.dvc"], self.folder).splitlines()
        if files and self.run(["dvc", "checkout", *files]).code:
            finished = self.run(["dvc", "pull", *files])
            if finished.code:
                raise explain_dvc(finished.output)

    def link_benchmarks(self, root: Path) -> None:
        """Link folders of published benchmark files that params.yaml names, and neither git nor DVC has brought.

        Args:
            root: the checkout.
        """
        params = load_params(self.folder / "params.yaml")
        for name in (params.evaluate.benchmarks_folder, params.prepare.quality.overlap.benchmarks_folder):
            if name and not (self.folder / name).exists() and (root / name).is_dir():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / name).symlink_to((root / name).resolve())

    def remove(self) -> None:
        """Remove the folder; what it made is in MLflow and DVC's cache."""
        _git(["worktree", "remove", "--force", str(self.folder)], self.folder.parent)


@contextlib.contextmanager
def open_worktree(root: Path, commit: str, request: Sequence[object]) -> Iterator[Worktree]:
    """Give a worktree of a commit; that of an equal request which failed is gone on with.

    It is removed when all went well, and kept otherwise, so that training and judging can go on where they stopped.

    Args:
        root: the checkout.
        commit: what git takes for one.
        request: what it is for.

    Raises:
        InputError: there is no such commit, or no git.
        EnvironmentFault: an equal request is at work.
    """
    number = _git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}"], root)
    if not number:
        raise InputError(f"Git knows no commit {commit!r} here.", "fetch it, or name another.")
    key = hashlib.sha256(json.dumps([number, request]).encode()).hexdigest()[:12]
    folder = root / _PLACE / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as handle:
        if not take_lock(handle):
            raise EnvironmentFault("The same retraining is at work already.", "wait until it is done.")
        _git(["worktree", "prune"], root)
        if not (folder / ".git").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _git(["worktree", "add", "--quiet", "--detach", str(folder), number], root)
        worktree = Worktree(folder, number)
        _share(worktree, root)
        try:
            yield worktree
        except BaseException:
            find_logger().warning("What was done so far is kept in %s, for the same request again.", folder)
            raise
        worktree.remove()


def _share(worktree: Worktree, root: Path) -> None:
    own = root / ".dvc" / "config.local"
    if own.is_file():
        shutil.copy(own, worktree.folder / ".dvc" / "config.local")
    cache = subprocess.run(
        [sys.executable, "-m", "dvc", "cache", "dir"], cwd=root, capture_output=True, text=True, check=False
    )
    if cache.returncode:
        raise explain_dvc(cache.stderr)
    place = (root / cache.stdout.strip()).resolve()
    finished = worktree.run(["dvc", "cache", "dir", "--local", str(place)])
    if finished.code:
        raise explain_dvc(finished.output)
    answers = worktree.folder / _ANSWERS
    answers.parent.mkdir(exist_ok=True)
    if not answers.is_symlink():
        answers.symlink_to(root.resolve() / _ANSWERS)


def _find_store() -> str:
    """Return the address of MLflow's store; a file in the checkout stays the checkout's."""
    address = tracking_address()
    place = address.removeprefix("sqlite:///")
    return address if place == address else f"sqlite:///{Path(place).resolve()}"


def _git(arguments: Sequence[str], folder: Path) -> str:
    try:
        answer = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise InputError("There is no git on this machine.", "install it.") from error
    if answer.returncode and arguments[0] != "rev-parse":
        said = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"git {arguments[0]} refuses: {said}.", "a retraining on demand needs a git checkout.")
    return answer.stdout.strip()
