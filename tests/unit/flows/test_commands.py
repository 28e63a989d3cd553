import os
import sys
import threading
from pathlib import Path

import pytest

from flows.commands import (
    Finished,
    StageDefectError,
    ending_commands,
    explain_exit,
    explain_stage,
    is_stopping,
    run_command,
)
from flows.worktree import Worktree
from judgeforge.errors import EnvironmentFault, InputError

STUBBORN = "trap '' TERM; echo ready; sleep 300"
ORDERLY = """
import pathlib, signal, sys, time

def stop(*_):
    while not pathlib.Path(sys.argv[1]).exists():
        time.sleep(0.01)
    sys.exit(7)

signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(300)
"""
SAID = "error: Row 3 has no score. Remedy: give it one.\n"


def fail_in_dvc(code: int) -> Finished:
    line = f"ERROR: failed to reproduce 'prepare': failed to run: python -m judgeforge.prepare --x, exited with {code}"
    return Finished(255, f"Running stage 'prepare':\n{SAID}{line}")


def test_bad_input_carries_the_stages_own_message_and_remedy() -> None:
    error = explain_stage("prepare", fail_in_dvc(2))
    assert type(error) is InputError
    assert error.problem == "Stage prepare: Row 3 has no score."
    assert error.remedy == "give it one."


@pytest.mark.parametrize("code", [75, -9, 137, 143, -15])
def test_faults_and_signals_may_be_tried_again(code: int) -> None:
    assert type(explain_stage("prepare", fail_in_dvc(code))) is EnvironmentFault


def test_a_signal_is_named() -> None:
    assert "ended by signal 9" in str(explain_stage("train", fail_in_dvc(137)))


def test_a_traceback_is_a_defect_that_nobody_tries_again() -> None:
    error = explain_exit("prepare", 1, "Traceback (most recent call last):\n  ...\nKeyError: 'score'\n")
    assert type(error) is StageDefectError
    assert "KeyError: 'score'" in error.problem


def test_a_failure_of_dvc_itself_is_explained_as_such() -> None:
    error = explain_stage("merge", Finished(255, "ERROR: failed to reproduce 'merge': dependency 'x' does not exist"))
    assert type(error) is InputError
    assert "dependency 'x' does not exist" in error.problem


def test_lines_come_as_they_are_printed_and_the_exit_status_is_the_commands() -> None:
    lines: list[str] = []
    code = "import os, sys; print('one'); print(os.environ['COLOUR'], file=sys.stderr); sys.exit(3)"
    finished = run_command([sys.executable, "-c", code], {"COLOUR": "red"}, lines.append)
    assert finished.code == 3
    assert sorted(lines) == ["one", "red"]


def test_python_in_a_command_is_the_python_of_the_flow() -> None:
    lines: list[str] = []
    run_command(["sh", "-c", "command -v python"], {}, lines.append)
    assert Path(lines[0]).parent == Path(sys.executable).parent


def test_leaving_the_flow_ends_commands_and_their_children_and_lets_none_start(tmp_path: Path) -> None:
    started, finished = threading.Event(), []
    grandchild: list[int] = []

    def note(line: str) -> None:
        grandchild.append(int(line))
        started.set()

    def work() -> None:
        finished.append(run_command(["sh", "-c", "sleep 300 & echo $!; wait"], {}, note))

    thread = threading.Thread(target=work)
    with pytest.raises(KeyboardInterrupt), ending_commands():
        thread.start()
        assert started.wait(20)
        raise KeyboardInterrupt
    thread.join(20)
    assert not thread.is_alive()
    assert finished[0].code == -15
    with pytest.raises(ProcessLookupError):
        os.kill(grandchild[0], 0)
    assert is_stopping()
    with pytest.raises(EnvironmentFault, match="the flow is ending"):
        run_command(["true"], {}, print)
    with ending_commands():
        assert run_command(["true"], {}, print).code == 0


def test_each_command_has_its_own_grace(tmp_path: Path) -> None:
    ready, codes, killed = threading.Semaphore(0), dict[str, int](), tmp_path / "killed"

    def is_ready(_line: str) -> None:
        ready.release()

    def be_stubborn() -> None:
        codes["stubborn"] = run_command(["sh", "-c", STUBBORN], {}, is_ready, grace_s=0.1).code
        killed.touch()

    def be_orderly() -> None:  # it ends only after the other one was killed
        command = [sys.executable, "-c", ORDERLY, str(killed)]
        codes["orderly"] = run_command(command, {}, is_ready, grace_s=60).code

    threads = [threading.Thread(target=work) for work in (be_stubborn, be_orderly)]
    with pytest.raises(KeyboardInterrupt), ending_commands():
        for thread in threads:
            thread.start()
        assert ready.acquire(timeout=20)
        assert ready.acquire(timeout=20)
        raise KeyboardInterrupt
    for thread in threads:
        thread.join(20)
    assert codes == {"stubborn": -9, "orderly": 7}


@pytest.mark.parametrize(("module", "least", "most"), [("flows.retrain", 300, 300), ("judgeforge.cli", 0, 25)])
def test_a_flow_in_a_worktree_has_the_time_to_settle_its_own_stages(
    module: str, least: float, most: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graces: list[float] = []

    def run(*_arguments: object, grace_s: float) -> Finished:
        graces.append(grace_s)
        return Finished(0, "")

    monkeypatch.setattr("flows.worktree.run_command", run)
    Worktree(tmp_path, "a" * 40).run([module])
    assert least <= graces[0] <= most
