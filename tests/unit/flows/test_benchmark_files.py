"""Benchmark files that no worker would have are refused before machines are raised: real git, real DVC."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flows.remote.benchmarks import check_benchmark_files
from flows.remote.reproduce import KEPT
from flows.remote.running import Order
from flows.remote.snapshot import restore_snapshot, take_snapshot
from flows.retrain import run_stages
from judgeforge.benchmarks.manifest import load_manifest
from judgeforge.errors import InputError
from judgeforge.params import Params, load_params

ROOT = Path(__file__).resolve().parents[3]
NAME = "mt_bench"
FILE = load_manifest()[NAME].file.name
POINTER = "outs:\n- md5: 0a56976af6e9c5556d4c1f89a5b7dfee\n  size: 3\n  hash: md5\n  path: {path}\n"
REMOTE = ("train@direct", "merge", "evaluate@base")


def call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dvc(*arguments: str) -> str:
    return call(sys.executable, "-m", "dvc", *arguments)


def commit() -> None:
    call("git", "add", "-A")
    call("git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "-qm", "A change")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkout"
    call("git", "init", "-q", str(folder))
    monkeypatch.chdir(folder)
    for name in (".gitignore", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    commit()
    return folder


def build_params(benchmarks: list[str], folder: str | None, provider: str = "aws", **overlap: Any) -> Params:
    params = load_params(ROOT / "params.yaml")
    evaluate = params.evaluate.model_copy(update={"benchmarks": tuple(benchmarks), "benchmarks_folder": folder})
    quality = params.prepare.quality
    quality = quality.model_copy(update={"overlap": quality.overlap.model_copy(update=overlap)})
    changes = {
        "evaluate": evaluate,
        "prepare": params.prepare.model_copy(update={"quality": quality}),
        "runner": params.runner.model_copy(update={"provider": provider}),
    }
    return params.model_copy(update=changes)


def write_file(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text("[]\n")


@pytest.mark.parametrize("place", ["../shared/benchmarks", "benchmark-files", "elsewhere"])
def test_files_that_only_this_machine_has_are_refused_with_the_remedy(place: str, checkout: Path) -> None:
    write_file(checkout / place)
    with pytest.raises(InputError) as caught:
        check_benchmark_files(build_params(["embedded_direct", NAME], place), REMOTE)
    assert f"Stage evaluate@base is to run on a worker, and {place}/{FILE}" in caught.value.problem
    for word in ("judgeforge fetch benchmarks", "dvc add benchmark-files", "evaluate.benchmarks_folder"):
        assert word in caught.value.remedy


def test_a_link_to_a_folder_elsewhere_does_not_travel(checkout: Path) -> None:
    write_file(checkout.parent / "shared")
    Path("benchmark-files").symlink_to(checkout.parent / "shared")
    with pytest.raises(InputError, match="neither git nor DVC"):
        check_benchmark_files(build_params([NAME], "benchmark-files"), REMOTE)


@pytest.mark.parametrize(
    ("benchmarks", "folder", "stages"),
    [
        (["embedded_direct", "embedded_pairwise"], "../shared/benchmarks", REMOTE),
        (["embedded_direct"], None, REMOTE),
        ([NAME], None, REMOTE),  # the stage itself says what is wrong
        ([NAME], "../shared/benchmarks", ("train@direct", "search", "merge")),
    ],
)
def test_what_no_stage_on_a_worker_reads_is_not_asked_for(
    benchmarks: list[str], folder: str | None, stages: tuple[str, ...], checkout: Path
) -> None:
    check_benchmark_files(build_params(benchmarks, folder), stages)


def test_benchmarks_that_training_rows_are_held_against_count_where_prepare_is_away(checkout: Path) -> None:
    params = build_params(["embedded_direct"], None, drop_overlap_with=(NAME,), benchmarks_folder="../shared")
    check_benchmark_files(params, REMOTE)
    with pytest.raises(InputError, match="Stage prepare") as caught:
        check_benchmark_files(params, ("prepare", *REMOTE))
    assert "prepare.quality.overlap.benchmarks_folder" in caught.value.remedy


def test_a_standing_worker_may_have_a_folder_of_its_own_but_not_in_its_checkout(checkout: Path) -> None:
    check_benchmark_files(build_params([NAME], "/data/benchmarks", "standing"), REMOTE)
    with pytest.raises(InputError, match="neither git nor DVC"):
        check_benchmark_files(build_params([NAME], "benchmark-files", "standing"), REMOTE)


def test_files_in_git_are_taken(checkout: Path) -> None:
    write_file(checkout / "published")
    commit()
    check_benchmark_files(build_params([NAME], "published"), REMOTE)


def test_a_benchmark_of_ones_own_needs_its_rows_too(checkout: Path) -> None:
    Path("collections").mkdir()
    Path("collections/support.yaml").write_text("name: support\nlayout: pairwise\nfile: support.jsonl\n")
    Path("collections/support.jsonl").write_text(json.dumps({}) + "\n")
    params = build_params(["collections/support.yaml"], None)
    Path("collections/support.yaml.dvc").write_text(POINTER.format(path="support.yaml"))
    with pytest.raises(InputError, match=r"collections/support\.jsonl"):
        check_benchmark_files(params, REMOTE)
    Path("collections/support.jsonl.dvc").write_text(POINTER.format(path="support.jsonl"))
    check_benchmark_files(params, REMOTE)


def test_a_folder_in_dvc_is_taken_though_git_ignores_it(checkout: Path) -> None:
    write_file(checkout / "benchmark-files")
    params = build_params([NAME], "benchmark-files")
    Path("elsewhere.dvc").write_text(POINTER.format(path="elsewhere"))
    with pytest.raises(InputError, match="neither git nor DVC"):
        check_benchmark_files(params, REMOTE)
    Path("benchmark-files.dvc").write_text(POINTER.format(path="benchmark-files"))
    check_benchmark_files(params, REMOTE)


@pytest.mark.slow
def test_files_in_dvc_are_taken_and_get_to_a_worker(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the guide says: dvc add, although .gitignore names the folder; the worker has a clone and DVC's remote."""
    write_file(checkout / "benchmark-files")
    dvc("init", "-q")
    dvc("remote", "add", "-q", "-d", "storage", str(tmp_path / "remote"))
    commit()
    params = build_params([NAME], "benchmark-files")
    with pytest.raises(InputError, match="neither git nor DVC"):  # before a server or a cloud is asked
        run_stages({"evaluate@base": set()}, Order(params, {}, None), 1, -1)
    dvc("add", "-q", "benchmark-files")
    assert call("git", "status", "--porcelain").split() == ["??", "benchmark-files.dvc"]
    check_benchmark_files(params, REMOTE)
    snapshot = take_snapshot("base", {"base": set()})
    dvc("push", "-q", *(name for name in snapshot.files if name.endswith(".dvc")))
    call("git", "clone", "-q", str(checkout), str(tmp_path / "worker"))
    monkeypatch.chdir(tmp_path / "worker")
    restore_snapshot(snapshot, KEPT)
    dvc("pull", "-q", *(name for name in snapshot.files if name.endswith(".dvc")))
    assert Path("benchmark-files", FILE).read_text() == "[]\n"
