"""What a worker does before a stage begins."""

from pathlib import Path

import pytest

from flows.remote.reproduce import read_error, reproduce
from flows.remote.snapshot import Snapshot
from judgeforge.errors import EnvironmentFault


def test_no_stage_begins_on_a_machine_that_says_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ending").write_text("life\n")
    monkeypatch.setenv("JUDGEFORGE_ENDING", str(tmp_path / "ending"))
    monkeypatch.chdir(tmp_path)
    state = reproduce.fn("train", Snapshot(commit="a" * 40, files={}), "judge", 60)
    error = read_error(state.message)
    assert isinstance(error, EnvironmentFault) and "about to end" in error.problem
