"""Retraining by a recipe beside the checkout: real git worktrees, DVC, Prefect and MLflow on the tiny project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow

CODE = """
import json, sys
from flows.on_demand import retrain_by_recipe
settings = ["merge.alpha=0.6", "promote.primary=[d/pearson]", *sys.argv[1:]]
print("COMMIT", retrain_by_recipe(["demo"], settings, promote=False))
"""


def call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def checkout(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the tiny project a git checkout with its own copy of the code, as a real one is."""
    for name in ("src", "flows", "conf"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    (project / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "evaluations.py", project / "tests")
    shutil.rmtree(project / ".dvc")
    (project / ".gitignore").write_text((ROOT / ".gitignore").read_text() + "home\n/ran.txt\n/.cache\n")
    call("git", "init", "-q")
    call(sys.executable, "-m", "dvc", "init", "-q")
    commit("A checkout")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(project / "src"), str(project)]))
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    return project


def commit(why: str) -> None:
    call("git", "add", "-A")
    call("git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "-qm", why)


def retrain(*settings: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CODE, *settings], capture_output=True, text=True, check=False, timeout=900
    )
    return f"{done.returncode}\n{done.stdout}{done.stderr}"


def test_a_recipe_is_retrained_beside_the_checkout_which_stays_as_it_was(checkout: Path, store: Any) -> None:
    (checkout / "benchmark-files").mkdir()
    (checkout / "benchmark-files" / "versioned.json").write_text("[]")
    call(sys.executable, "-m", "dvc", "add", "-q", "benchmark-files")
    commit("Benchmark files")
    (checkout / "benchmark-files" / "later.json").write_text("[]")  # which DVC would remove, were the folder linked
    before = (checkout / "params.yaml").read_bytes()
    head = call("git", "rev-parse", "HEAD")
    said = retrain("evaluate.benchmarks_folder=benchmark-files")
    assert said.startswith("0"), said
    assert call("git", "status", "--porcelain") == ""
    assert call("git", "rev-parse", "HEAD") == head
    assert (checkout / "params.yaml").read_bytes() == before
    assert not (checkout / "models").exists()
    assert (checkout / "benchmark-files" / "later.json").is_file()
    assert list((checkout / ".judgeforge" / "on-demand").glob("*/")) == []
    assert len(call("git", "worktree", "list").splitlines()) == 1
    assert f"COMMIT {head}" in said
    experiment = store.get_experiment_by_name("judgeforge").experiment_id
    runs = {run.info.run_name: run for run in store.search_runs([experiment])}
    assert runs["retrain"].data.params["merge.alpha"] == "0.6"
    assert runs["retrain"].data.tags["git_commit"].removesuffix("-dirty") == head
    assert "params.yaml" in {entry.path for entry in store.list_artifacts(runs["retrain"].info.run_id)}
    assert store.get_registered_model("judgeforge-judge").aliases == {"challenger": 1}


def test_a_retraining_that_failed_goes_on_where_it_stopped(checkout: Path) -> None:
    (checkout / "order-merge").write_text("exit 2 once")
    commit("An order to fail once")
    said = retrain()
    assert said.startswith("1") and "Stage merge: merge found a wrong thing." in said, said
    (kept,) = (checkout / ".judgeforge" / "on-demand").glob("*/")
    assert str(kept) in said
    ran = [line.split()[0] for line in (kept / "ran.txt").read_text().splitlines()]
    assert ran.count("train-direct") == 1 and "report" not in ran
    (kept / "ran.txt").unlink()
    (kept / "ran.txt").symlink_to(checkout / "ran.txt")
    again = retrain()
    assert again.startswith("0"), again
    ran = [line.split()[0] for line in (checkout / "ran.txt").read_text().splitlines()]
    assert ran == ["merge", "evaluate-merged", "report"]


def test_what_is_wrong_with_a_request_is_said(checkout: Path) -> None:
    from flows.worktree import open_worktree
    from judgeforge.errors import EnvironmentFault, InputError

    with pytest.raises(InputError, match="no commit 'nowhere'"), open_worktree(checkout, "nowhere", []):
        pytest.fail("there is none")
    refused = pytest.raises(EnvironmentFault, match="at work already")
    with (
        open_worktree(checkout, "HEAD", ["a"]),
        open_worktree(checkout, "HEAD", ["b"]),
        refused,
        open_worktree(checkout, "HEAD", ["a"]),
    ):
        pytest.fail("two at once")
    said = retrain("nonsense=1")
    assert said.startswith("1") and "The recipe cannot be composed" in said, said
