"""Bad input through the real programs: one line that names thing and remedy, a non-zero exit, nothing lost."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]

Edit = Callable[[dict[str, Any]], None]


def run(folder: Path, module: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", **environment}
    command = [sys.executable, "-m", f"judgeforge.{module}", *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def prepare(folder: Path) -> subprocess.CompletedProcess[str]:
    paths = {"train": "data/train", "form": "data/form", "benchmarks": "data/benchmarks"}
    paths |= {"statistics": "data/statistics.json", "quarantine": "data/quarantine.jsonl"}
    paths |= {"page": "reports/data.html", "card": "reports/data_card.md"}
    return run(folder, "prepare", *(part for name, path in paths.items() for part in (f"--{name}", path)))


def write_params(folder: Path, edit: Edit = lambda _: None) -> None:
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    source = {"name": "raw", "kind": "file", "path": "raw.jsonl", "columns": "feedback_collection", "weight": 1.0}
    document["prepare"]["sources"] = [source]
    document["prepare"]["embedded"] = dict.fromkeys(document["prepare"]["embedded"], 1)
    edit(document)
    (folder / "params.yaml").write_text(yaml.safe_dump(document))


def row(**changes: Any) -> dict[str, Any]:
    levels = {f"orig_score{score}_description": f"level {score}" for score in range(1, 6)}
    known = {
        "orig_instruction": "Name a river.",
        "orig_response": "The Rhine.",
        "orig_reference_answer": "The Danube.",
        "orig_criteria": "Is it a river?",
        "orig_feedback": "It is a river.",
        "orig_score": "5",
        **levels,
    }
    return {key: value for key, value in (known | changes).items() if value is not None}


def good_rows() -> list[dict[str, Any]]:
    return [
        row(orig_instruction=f"Name river {number}.", orig_response=f"It is {score}.", orig_score=str(score))
        for number in range(4)
        for score in range(1, 6)
    ]


def assert_refused(result: subprocess.CompletedProcess[str], *parts: str, code: int = 2) -> None:
    assert result.returncode == code, result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "Remedy: " in last
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in last


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["raw.jsonl"]),
        (b"", ["raw.jsonl"]),
        (b"[]", ["raw.jsonl"]),
        (b'[{"orig_instruction": "a"},', ["raw.jsonl"]),
    ],
    ids=["missing file", "empty file", "empty collection", "broken array"],
)
def test_unusable_collections_are_refused(tmp_path, content, parts):
    write_params(tmp_path)
    if content is not None:
        (tmp_path / "raw.jsonl").write_bytes(content)
    assert_refused(prepare(tmp_path), *parts)
    assert not (tmp_path / "data" / "train").exists()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (json.dumps(row(orig_score=None)).encode(), "orig_score"),
        (json.dumps(row(orig_score="6")).encode(), "orig_score"),
        (json.dumps(row(orig_score4_description=None)).encode(), "orig_score4_description"),
        (b'{"orig_instruction": "broken', "JSON"),
        (json.dumps(row()).encode().replace(b"Rhine", b"Rh\xffine"), "UTF-8"),
    ],
    ids=["no score", "score of 6", "four levels", "broken line", "not UTF-8"],
)
def test_a_bad_row_is_quarantined_with_line_and_reason_and_the_rest_is_used(tmp_path, bad, reason):
    write_params(tmp_path)
    lines = [json.dumps(each).encode() for each in good_rows()]
    (tmp_path / "raw.jsonl").write_bytes(b"\n".join([*lines[:7], bad, *lines[7:]]))
    result = prepare(tmp_path)
    assert result.returncode == 0, result.stderr
    quarantined = [json.loads(line) for line in (tmp_path / "data" / "quarantine.jsonl").read_text().splitlines()]
    assert [entry["line"] for entry in quarantined] == [8]
    assert reason in quarantined[0]["reason"]
    assert json.loads((tmp_path / "data" / "statistics.json").read_text())


def remove_seed(document: dict[str, Any]) -> None:
    del document["prepare"]["seed"]


def add_key(document: dict[str, Any]) -> None:
    document["prepare"]["sede"] = 1


def remove_section(document: dict[str, Any]) -> None:
    del document["prepare"]


@pytest.mark.parametrize(
    ("edit", "part"),
    [(remove_seed, "seed is missing"), (add_key, "sede is unknown"), (remove_section, "no section 'prepare'")],
)
def test_faulty_params_are_named(tmp_path, edit, part):
    write_params(tmp_path, edit)
    assert_refused(prepare(tmp_path), "params.yaml", part)


def test_params_that_are_not_yaml_are_named(tmp_path):
    (tmp_path / "params.yaml").write_text("prepare: [1,\n")
    assert_refused(prepare(tmp_path), "params.yaml is not valid YAML")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"source": "wheel", "name": "no_such_package/model.gguf"}, "no_such_package is not installed"),
        ({"source": "path", "name": "nowhere"}, "nowhere: no config.json"),
    ],
)
def test_a_base_model_that_is_not_there_is_named(tmp_path, change, part):
    write_params(tmp_path, lambda document: document["base"].update(change))
    assert_refused(run(tmp_path, "base", "--out", "models/base"), part)
    assert not (tmp_path / "models" / "base").exists()


def test_an_unreachable_mlflow_server_is_named_before_any_work(tmp_path):
    write_params(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        arguments = ["--format", "direct", "--data", "d", "--base", "b", "--out", "o", "--curve", "c"]
        result = run(tmp_path, "train", *arguments, "--checkpoints", "k", MLFLOW_TRACKING_URI=address)
    assert_refused(result, address, "MLFLOW_TRACKING_URI", code=75)


@pytest.fixture
def full_disk(tmp_path) -> Iterator[Path]:
    """Mount a file system of 256 KiB: the real ENOSPC, where the machine lets us mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a file system; tests/unit/test_files.py injects the fault instead")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_the_old_outputs_stay(full_disk):
    write_params(full_disk)
    (full_disk / "raw.jsonl").write_text("\n".join(json.dumps(each) for each in good_rows()[:5]))
    first = prepare(full_disk)
    assert first.returncode == 0, first.stderr
    before = {path: path.read_bytes() for path in (full_disk / "data").rglob("*") if path.is_file()}
    (full_disk / "filling").write_bytes(b"x" * os.statvfs(full_disk).f_bavail * os.statvfs(full_disk).f_bsize)
    assert_refused(prepare(full_disk), "No room left on the disk", code=75)
    assert {path: path.read_bytes() for path in (full_disk / "data").rglob("*") if path.is_file()} == before


def test_a_cut_off_verdict_file_is_named(tmp_path):
    import polars as pl

    from judgeforge.errors import InputError
    from judgeforge.verdicts import SCHEMA, load_verdicts

    path = tmp_path / "verdicts.parquet"
    pl.DataFrame(schema=SCHEMA).write_parquet(path)
    assert load_verdicts(tmp_path).is_empty()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"verdicts.parquet is cut off.*dvc repro"):
        load_verdicts(tmp_path)
