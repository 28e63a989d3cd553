"""A snapshot is whole, or there is none."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from flows.remote import snapshot
from judgeforge.errors import EnvironmentFault, InputError

WHOLE = yaml.safe_dump({"schema": "2.0", "stages": {"base": {"cmd": "b"}, "prepare": {"cmd": "p"}, "side": {}}})


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(snapshot, "_LOCK_LOOK_S", 0.0)
    Path("dvc.lock").write_text(WHOLE)


def serve(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(snapshot, "read_text", lambda _: texts.pop(0) if len(texts) > 1 else texts[0])
    return texts


def test_of_the_lock_only_what_the_stage_needs_is_told() -> None:
    assert yaml.safe_load(snapshot._cut_lock({"base", "prepare"}))["stages"] == {
        "base": {"cmd": "b"},
        "prepare": {"cmd": "p"},
    }


@pytest.mark.parametrize("torn", ["", WHOLE[:20], "schema: '2.0'\nstages:\n  base: {cmd", "schema: '2.0'\n"])
def test_a_lock_that_is_being_written_is_read_again(torn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left = serve([torn, torn, WHOLE, WHOLE], monkeypatch)
    assert set(snapshot._read_lock({"base"})["stages"]) == {"base", "prepare", "side"}
    assert left == [WHOLE]


def test_a_lock_that_stays_torn_or_lacks_a_stage_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_LOCK_S", 0.0)
    with pytest.raises(EnvironmentFault, match=r"dvc.lock is not whole, or lacks \['train@direct'\]"):
        snapshot._read_lock({"train@direct"})


@pytest.mark.parametrize("commit", ["main", "-x", "abc", "A" * 40])
def test_a_commit_is_forty_digits(commit: str) -> None:
    with pytest.raises(ValidationError):
        snapshot.Snapshot(commit=commit, files={})


def test_a_stage_travels_with_its_data_pointers_and_with_what_its_adapter_is_for(tmp_path: Path) -> None:
    """DVC's graph has .dvc files as nodes, of which dvc.lock knows nothing."""
    outs = {"base": "models/base", "train@direct": "models/direct"}
    stages = {name: {"cmd": name, "outs": [{"path": path}]} for name, path in outs.items()}
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    Path("params.yaml").write_text("{}\n")
    Path(".gitignore").write_text("/models\n/dvc.lock\n")
    for name in ("collections/own.dvc", "models/base/config.json", "models/direct/adapter_config.json"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(json.dumps({"base_model_name_or_path": "models/base"}))
    for command in (["init"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "Begin"]):
        subprocess.run(["git", *command], check=True, capture_output=True)
    graph = {
        "collections/own.dvc": set[str](),
        "base": set[str](),
        "train@direct": {"base"},
        "evaluate@direct": {"train@direct", "collections/own.dvc"},
    }
    taken = snapshot.take_snapshot("evaluate@direct", graph)
    assert taken.bases == ("base",)
    assert "collections/own.dvc" in taken.files
    assert yaml.safe_load(taken.files["dvc.lock"])["stages"] == stages
    assert snapshot.take_snapshot("train@direct", graph).bases == ()


def test_a_base_that_is_in_no_stage_travels_by_its_own_pointer_or_is_refused(tmp_path: Path) -> None:
    stages = {"train@direct": {"cmd": "t", "outs": [{"path": "models/direct"}]}}
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    Path("params.yaml").write_text("{}\n")
    Path(".gitignore").write_text("/models/*/\n/dvc.lock\n")
    for name in ("models/own/config.json", "models/direct/adapter_config.json"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(json.dumps({"base_model_name_or_path": "models/own"}))
    for command in (["init"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "Begin"]):
        subprocess.run(["git", *command], check=True, capture_output=True)
    graph = {"train@direct": set[str](), "evaluate@direct": {"train@direct"}}
    with pytest.raises(InputError, match=r"the model models/own, which no stage .* Remedy: run 'dvc add models/own'"):
        snapshot.take_snapshot("evaluate@direct", graph)
    Path("models/own.dvc").write_text("outs: []\n")
    taken = snapshot.take_snapshot("evaluate@direct", graph)
    assert (taken.bases, "models/own.dvc" in taken.files) == ((), True)
