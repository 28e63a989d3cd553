"""What a stage reads is in DVC's remote before a worker is asked, and on the worker before the stage begins."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.pipeline import load_graph
from flows.remote.reproduce import pull_beside
from flows.remote.running import push_inputs
from flows.remote.snapshot import restore_snapshot, take_snapshot

PIPELINE = """
stages:
  base: {cmd: python make.py models/base, outs: [models/base]}
  audit: {cmd: python make.py data, outs: [data]}
  train: {cmd: python make.py models/direct models/base, deps: [models/base], outs: [models/direct]}
  evaluate: {cmd: ls models/base, deps: [models/direct, data, collections/own]}
"""
MAKE = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True)
(folder / "config.json").write_text(sys.argv[1])
if len(sys.argv) > 2:
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": sys.argv[2]}))
"""


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def dvc(*arguments: str, cwd: Path) -> str:
    return run(sys.executable, "-m", "dvc", *arguments, cwd=cwd)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trained adapter, its base, data of one's own in a .dvc file, and a remote that has nothing yet."""
    path = tmp_path / "checkout"
    (path / "collections/own").mkdir(parents=True)
    (path / "collections/own/rows.jsonl").write_text("{}\n")
    for name, text in (("dvc.yaml", PIPELINE), ("make.py", MAKE), ("params.yaml", "{}\n")):
        (path / name).write_text(text)
    run("git", "init", "--quiet", cwd=path)
    dvc("init", "--quiet", cwd=path)
    dvc("remote", "add", "--quiet", "-d", "storage", str(tmp_path / "remote"), cwd=path)
    dvc("add", "--quiet", "collections/own", cwd=path)
    dvc("repro", "--quiet", "train", "audit", cwd=path)
    run("git", "add", "-A", cwd=path)
    run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "Begin", cwd=path)
    monkeypatch.chdir(path)
    return path


def test_an_adapters_base_and_all_inputs_travel_beside_data_of_ones_own(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC leaves out what follows a .dvc file or a stage's name on its command line if it is named by its path."""
    import logging

    graph, log = load_graph(), logging.getLogger()
    snapshot = take_snapshot("evaluate", graph)
    assert "collections/own.dvc" in snapshot.files
    push_inputs("evaluate", graph, snapshot, log)

    worker = tmp_path / "worker"
    run("git", "clone", "--quiet", str(checkout), str(worker), cwd=tmp_path)
    monkeypatch.chdir(worker)
    with (tmp_path / "lock").open("w") as lock:
        restore_snapshot(snapshot, (".dvc/cache",), lock.fileno())
        pull_beside(snapshot, lock.fileno())
        assert Path("models/base/config.json").read_text() == "models/base"
        assert Path("collections/own/rows.jsonl").is_file()
        dvc("pull", "models/direct", "data", cwd=worker)
    assert json.loads(Path("models/direct/adapter_config.json").read_text())["base_model_name_or_path"] == "models/base"
    assert Path("data/config.json").read_text() == "data"
