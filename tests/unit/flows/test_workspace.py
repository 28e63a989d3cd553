import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows import workspace
from flows.data_note import has_new_data
from judgeforge.errors import EnvironmentFault
from judgeforge.params import Params, load_params

ROOT = Path(__file__).parents[3]


@pytest.fixture
def params() -> Params:
    return load_params(ROOT / "params.yaml")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").touch()
    (tmp_path / "dvc.lock").write_text("stages: {}\n")
    return tmp_path


def test_a_second_retraining_beside_the_first_is_refused_and_the_first_is_named() -> None:
    refused = pytest.raises(EnvironmentFault, match=r"A retraining \(process \d+\)")
    with workspace.workspace_lock(), refused, workspace.workspace_lock():
        pytest.fail("two at once")
    with workspace.workspace_lock() as again:
        assert again > 0


def test_a_stage_left_behind_by_a_killed_flow_holds_the_workspace() -> None:
    with workspace.workspace_lock() as lock:
        left = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    with pytest.raises(EnvironmentFault, match="or a stage that it left"), workspace.workspace_lock():
        pytest.fail("the stage is at work")
    left.communicate(b"\n")
    with workspace.workspace_lock() as again:
        assert again > 0


def note(params: Params, promote: bool) -> workspace.State:
    state = workspace.describe_state(params)
    workspace.note_retrained(state, promote)
    return state


def write_lock(folder: Path, rows: str) -> None:
    stages = {
        "prepare": {"outs": [{"path": "data/train", "md5": rows}]},
        "train@direct": {"deps": [{"path": "data/train", "md5": rows}]},
    }
    (folder / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))


def test_what_was_registered_need_not_be_again_until_something_changes(
    params: Params, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not workspace.has_been_retrained(params, promote=True)
    note(params, promote=False)
    assert workspace.has_been_retrained(params, promote=False)
    assert not workspace.has_been_retrained(params, promote=True), "the gate has not been asked"
    note(params, promote=True)
    assert workspace.has_been_retrained(params, promote=True)
    assert workspace.has_been_retrained(params, promote=False)

    stricter = params.promote.model_copy(update={"margin": 0.5})
    assert not workspace.has_been_retrained(params.model_copy(update={"promote": stricter}), promote=True)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        assert not workspace.has_been_retrained(params, promote=True)
    (folder / "mlflow.db").unlink()
    assert not workspace.has_been_retrained(params, promote=True), "the record is gone"
    (folder / "mlflow.db").touch()
    (folder / "dvc.lock").write_text("stages: {base: {}}\n")
    assert not workspace.has_been_retrained(params, promote=True)


def test_a_late_answer_settles_what_was_retrained_and_not_what_came_meanwhile(params: Params, folder: Path) -> None:
    write_lock(folder, "old rows")
    awaiting = note(params, promote=False)
    workspace.note_answer(awaiting)
    assert workspace.has_been_retrained(params, promote=True)
    assert not has_new_data()

    awaiting = note(params, promote=False)
    write_lock(folder, "new rows")
    workspace.note_answer(awaiting)
    assert not workspace.has_been_retrained(params, promote=True), "no judge of the new rows was registered"
    assert has_new_data()

    note(params, promote=False)
    workspace.note_answer(awaiting)
    assert workspace.has_been_retrained(params, promote=False), "the later retraining's note stands"
    assert not workspace.has_been_retrained(params, promote=True), "nobody was asked about it"
    assert not has_new_data()


@pytest.mark.parametrize(
    ("cores", "gib", "gpu", "expected"), [(1, 64, False, 1), (8, 64, False, 2), (8, 3, False, 1), (8, 64, True, 1)]
)
def test_stages_run_side_by_side_only_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, folder: Path, cores: int, gib: int, gpu: bool, expected: int
) -> None:
    monkeypatch.setattr(workspace.os, "sched_getaffinity", lambda _: set(range(cores)))
    meminfo = folder / "meminfo"
    meminfo.write_text(f"MemTotal: 1 kB\nMemAvailable:   {gib * 2**20} kB\n")
    monkeypatch.setattr(workspace, "_MEMORY", meminfo)
    device = folder / "nvidia0"
    monkeypatch.setattr(workspace, "_GPU", device)
    if gpu:
        device.touch()
    assert workspace.choose_parallelism() == expected
