"""Programs that outlive their starter's signals: a real process each, stopped in mid-work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from flows.machines.detached import find_process, note_process, run_detached, stop_noted
from flows.machines.signals import deferring_signals

# Takes a while for what it has in flight when it is asked to end, as Terraform does.
SLOW = """
import signal, time
from pathlib import Path
ended = []
signal.signal(signal.SIGINT, lambda *_: ended.append(1))
Path("begun").touch()
while not ended:
    time.sleep(0.01)
time.sleep(0.3)
Path("finished").touch()
"""
STARTER = """
import os, sys
from pathlib import Path
from flows.machines.detached import run_detached
run_detached([sys.executable, "-c", sys.argv[1]], Path.cwd(), Path("output"), os.environ, Path("note.json"), 60)
"""


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, "not within 30 s"
        time.sleep(0.01)


def start_starter(folder: Path, *before: str) -> "subprocess.Popen[bytes]":
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    command = [*before, sys.executable, "-c", STARTER, SLOW]
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE)
    wait_until((folder / "begun").exists)
    return process


def test_ctrl_c_waits_until_the_work_in_flight_is_done(tmp_path: Path) -> None:
    starter = start_starter(tmp_path)
    starter.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in starter.communicate(timeout=30)[1]
    assert (tmp_path / "finished").exists()
    assert not (tmp_path / "note.json").exists()


def test_a_program_hears_that_it_is_to_end_though_its_starter_ignored_ctrl_c(tmp_path: Path) -> None:
    output = tmp_path / "output"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what it puts into the background
    try:
        script = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('deaf')"
        ended = run_detached([sys.executable, "-c", script], tmp_path, output, os.environ, tmp_path / "note.json", 30)
    finally:
        signal.signal(signal.SIGINT, before)
    assert "deaf" not in ended.text
    assert "KeyboardInterrupt" in ended.text


def test_a_killed_starter_leaves_the_program_at_work_and_a_note_by_which_it_is_ended(tmp_path: Path) -> None:
    starter = start_starter(tmp_path)
    wait_until((tmp_path / "note.json").exists)
    starter.kill()
    starter.communicate()
    left = find_process(tmp_path / "note.json")
    assert left is not None
    stop_noted(tmp_path / "note.json", 30)
    assert (tmp_path / "finished").exists()
    assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE


def test_a_program_that_takes_too_long_is_asked_to_end(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOW]
    ended = run_detached(command, tmp_path, tmp_path / "output", os.environ, tmp_path / "note.json", 5)
    assert ended.timed_out
    assert (tmp_path / "finished").exists()


def test_a_number_that_came_again_is_another_process(tmp_path: Path) -> None:
    note = tmp_path / "note.json"
    note_process(note, os.getpid())
    assert find_process(note) is not None
    note.write_text(f'{{"pid": {os.getpid()}, "created": 1.0}}')
    assert find_process(note) is None
    assert find_process(tmp_path / "none.json") is None


def test_signals_wait_until_the_block_is_done() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), deferring_signals():
        signal.raise_signal(signal.SIGINT)
        done.append(True)
    assert done == [True]


def test_an_error_goes_before_a_signal_that_came_meanwhile() -> None:
    with pytest.raises(ValueError, match="loud"), deferring_signals():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("loud")
