"""A data set of the Hugging Face hub, from the real libraries' cache: no network, as with HF_HUB_OFFLINE=1."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

ROOT = Path(__file__).parents[2]
REVISION = "0123456789abcdef0123456789abcdef01234567"
README = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: rows/train-*.parquet
  - split: held_out
    path: held_out.parquet
---
A data set.
"""


def make_rows(name: str) -> list[dict[str, Any]]:
    levels = {f"orig_score{level}_description": f"level {level}" for level in range(1, 6)}
    return [
        {"orig_instruction": f"{name} {n // 5}", "orig_response": f"r{n}", "orig_criteria": "Good?"}
        | {"orig_reference_answer": "r", "orig_feedback": "It is.", "orig_score": str(n % 5 + 1), **levels}
        for n in range(20)
    ]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Lay out a snapshot of a data set as huggingface_hub does."""
    snapshot = tmp_path / "hub" / "datasets--me--grades" / "snapshots" / REVISION
    (snapshot / "rows").mkdir(parents=True)
    (snapshot / "README.md").write_text(README)
    for number in range(2):
        rows = make_rows(f"part {number}")
        pl.DataFrame(rows).write_parquet(snapshot / "rows" / f"train-0000{number}-of-00002.parquet")
    pl.DataFrame(make_rows("held out")).write_parquet(snapshot / "held_out.parquet")
    return tmp_path


def prepare(cache: Path, **changes: Any) -> subprocess.CompletedProcess[str]:
    document = yaml.safe_load((ROOT / "params.yaml").read_text())["prepare"]
    source = {"name": "grades", "kind": "hub", "repository": "me/grades", "revision": REVISION, "split": "train"}
    document["sources"] = [source | {"columns": "feedback_collection", "weight": 1.0} | changes]
    document["embedded"] = dict.fromkeys(document["embedded"], 1)
    (cache / "params.yaml").write_text(yaml.safe_dump({"prepare": document}))
    names = ("train", "form", "benchmarks", "statistics", "quarantine", "page", "card")
    options = [part for name in names for part in (f"--{name}", f"data/{name}")]
    environment = os.environ | {"HF_HOME": str(cache), "HF_HUB_CACHE": str(cache / "hub"), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "judgeforge.prepare", *options],
        cwd=cache,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_split_is_read_from_the_cache_at_its_revision(cache):
    done = prepare(cache)
    assert done.returncode == 0, done.stderr
    rows = json.loads((cache / "data" / "statistics").read_text())["rows"]
    assert (rows["read"], rows["kept"]) == (40, 40)
    lineage = pl.concat(map(pl.read_parquet, (cache / "data" / "train" / "lineage").glob("*.parquet")))
    assert "grades/rows/train-00001-of-00002.parquet:20" in set(lineage["row_id"])
    done = prepare(cache, split="held_out")
    assert json.loads((cache / "data" / "statistics").read_text())["rows"]["read"] == 20


@pytest.mark.parametrize(
    ("changes", "code", "parts"),
    [
        ({"split": "test"}, 2, ["me/grades has no split 'test'", "train, held_out"]),
        ({"revision": REVISION[::-1]}, 75, ["me/grades is not in the cache", "HF_HUB_OFFLINE"]),
        ({"repository": "me/others"}, 75, ["me/others is not in the cache"]),
        ({"revision": "main"}, 2, ["params.yaml", "revision"]),
    ],
)
def test_what_is_not_there_is_named(cache, changes, code, parts):
    done = prepare(cache, **changes)
    assert done.returncode == code, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "Remedy: " in last
    for part in parts:
        assert part in last
    assert not (cache / "data" / "train").exists()
