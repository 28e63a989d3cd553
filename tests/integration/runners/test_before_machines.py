"""What a stage checks and sends before machines are paid for."""

import contextlib
import contextvars
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flows.placing import Places
from flows.remote.running import NotTakenError, Order
from flows.stages import run_stage
from judgeforge.errors import InputError
from judgeforge.params import load_params

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stage, which computes nothing here, and a remote."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text(
        f"stages:\n  train:\n    cmd: {sys.executable} stage.py\n    deps: [stage.py]\n    outs: [weights]\n"
    )
    (tmp_path / "stage.py").write_text("from judgeforge.stage import refuse_to_compute\nrefuse_to_compute()\n")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    dvc = (sys.executable, "-m", "dvc")
    for command in (
        ("git", "init", "--quiet"),
        ("git", "config", "user.email", "test@example.invalid"),
        ("git", "config", "user.name", "test"),
        (*dvc, "init", "--quiet"),
        (*dvc, "remote", "add", "--quiet", "-d", "far", str(tmp_path / "far")),
        ("git", "add", "-A"),
        ("git", "commit", "--quiet", "-m", "Begin"),
    ):
        subprocess.run(command, check=True)


class Raised:
    """Machines that are counted; none of them works."""

    def __init__(self) -> None:
        self.up: list[object] = []

    @contextlib.contextmanager
    def raise_machines(self, _count: int) -> Iterator[object]:
        self.up.append(object())
        yield self.up[-1]


def run_train(raised: Raised, tries: int, **runner: Any) -> list[BaseException | None]:
    """Run the stage, with machines raised as a retraining does it; returns the error of each try."""
    params = load_params()
    changed = params.runner.model_copy(update={"provider": "standing", "stages": ("train",)} | runner)
    order = Order(params.model_copy(update={"runner": changed}), {"train": set()}, None)
    with Places(changed, order.graph, 1, raised.raise_machines) as places, ThreadPoolExecutor(1) as pool:
        asked = []
        for _ in range(tries):
            run = contextvars.copy_context().run  # with the settings
            asked.append(pool.submit(run, run_stage.fn, "train", None, order, places))
            while not asked[-1].done():
                places.serve()
                time.sleep(0.05)
        return [each.exception() for each in asked]


def test_what_cannot_travel_is_refused_before_machines_are_raised(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("not in the commit\n")
    raised = Raised()
    (error,) = run_train(raised, tries=1)
    assert isinstance(error, InputError)
    assert "Files differ from the commit" in str(error)
    assert raised.up == []


@pytest.mark.slow
@pytest.mark.usefixtures("deployment")
def test_where_no_worker_takes_a_stage_the_next_try_gets_other_machines() -> None:
    raised = Raised()
    errors = run_train(raised, tries=2, start_minutes=0.05)
    assert [type(error) for error in errors] == [NotTakenError] * 2
    assert len(raised.up) == 2
