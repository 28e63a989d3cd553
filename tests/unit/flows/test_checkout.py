"""A worker's checkout: one stage at a time, and a snapshot's state whatever the last stage left."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.remote.checkout import LOCK, CheckoutBusyError, hold_checkout
from flows.remote.reproduce import KEPT, read_error, write_error
from flows.remote.snapshot import Snapshot, restore_snapshot
from judgeforge.errors import EnvironmentFault, InputError

BUSY = pytest.raises(CheckoutBusyError, match="This worker's checkout is at work on another stage")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def git(here: None) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
        return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    return run


@pytest.fixture
def snapshot(git: Callable[..., str]) -> Snapshot:
    git("init", "--quiet")
    Path(".gitignore").write_text(".judgeforge/\n/models/\n")
    Path("code.py").write_text("one\n")
    git("add", "-A")
    git("commit", "--quiet", "-m", "Begin")
    return Snapshot(commit=git("rev-parse", "HEAD"), files={"params.yaml": "seed: 1\n"})


def test_a_second_stage_is_put_off_and_that_is_told_from_other_faults() -> None:
    with hold_checkout(0), BUSY as refused, hold_checkout(0):
        pytest.fail("two at once")
    assert isinstance(read_error(write_error(refused.value)), CheckoutBusyError)
    assert type(read_error(write_error(EnvironmentFault("Away.", "wait.")))) is EnvironmentFault
    with hold_checkout(0) as again:
        assert again > 0


def test_a_command_that_outlives_its_stage_holds_the_checkout() -> None:
    with hold_checkout(0) as lock:
        left = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    with BUSY, hold_checkout(0):
        pytest.fail("the command is at work")
    left.communicate(b"\n")
    with hold_checkout(0) as again:
        assert again > 0


def test_a_stage_waits_for_one_that_is_about_to_end() -> None:
    with hold_checkout(0) as lock:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"], pass_fds=(lock,))
    with hold_checkout(60) as again:
        assert again > 0


def test_the_lock_outlasts_the_cleaning_and_what_an_earlier_stage_left_does_not(snapshot: Snapshot) -> None:
    Path("models").mkdir()
    Path("models/weights").touch()
    Path("code.py").write_text("other\n")
    with hold_checkout(0) as lock:
        before = LOCK.stat().st_ino
        restore_snapshot(snapshot, KEPT, lock)
        assert LOCK.stat().st_ino == before
        with BUSY, hold_checkout(0):
            pytest.fail("the lock was lost")
    assert not Path("models").exists()
    assert Path("code.py").read_text() == "one\n"
    assert Path("params.yaml").read_text() == "seed: 1\n"


def test_locks_of_a_git_that_was_killed_hold_nobody_up(snapshot: Snapshot) -> None:
    for name in ("index.lock", "HEAD.lock"):
        (Path(".git") / name).touch()
    with hold_checkout(0) as lock:
        restore_snapshot(snapshot, KEPT, lock)
    assert not Path(".git/index.lock").exists()


def test_a_fault_of_the_workers_own_git_is_one_of_the_surroundings(snapshot: Snapshot) -> None:
    Path(".git/index").write_bytes(b"torn")
    with hold_checkout(0) as lock, pytest.raises(EnvironmentFault, match="git checkout fails on the worker"):
        restore_snapshot(snapshot, KEPT, lock)


def test_a_snapshot_may_not_write_elsewhere(snapshot: Snapshot) -> None:
    sly = snapshot.model_copy(update={"files": {"../params.yaml": ""}})
    with hold_checkout(0) as lock, pytest.raises(InputError, match="may not write"):
        restore_snapshot(sly, KEPT, lock)
