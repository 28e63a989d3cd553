"""A snapshot is whole, or there is none."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from flows.remote import snapshot
from judgeforge.errors import EnvironmentFault

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
