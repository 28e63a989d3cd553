"""``kill -9`` at random moments of one evaluation, ten times in a row: every item once in the end, none asked twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import yaml

ROOT = Path(__file__).parents[2]
RUBRIC = {"criteria": "Is it right?", "levels": ["no", "hardly", "partly", "mostly", "yes"]}
ITEMS, KILLS = 320, 10


@pytest.fixture
def place(tmp_path: Path, miniature: Path) -> Path:
    rows = [{"instruction": f"Say {n}.", "response": f"{n} " * (n % 7 + 1), "gold": 1 + n % 5} for n in range(ITEMS)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = {"name": "sums", "layout": "direct", "file": "sums.jsonl", "rubric": RUBRIC}
    (tmp_path / "sums.yaml").write_text(yaml.safe_dump(benchmark))
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["evaluate"] |= {"benchmarks": ["sums.yaml"], "bootstrap_resamples": 20, "batch_size": 4}
    params["evaluate"] |= {"max_new_tokens": 160, "cpu_threads": 1, "dtype": "float32"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return tmp_path


def start(place: Path, miniature: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "judgeforge.cli", "evaluate", "--judge", "mine", "--model", str(miniature)]
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.PIPE)


def count_journalled(place: Path) -> int:
    files = (place / ".judgeforge" / "journal" / "mine").glob("*.jsonl")
    return sum(path.read_bytes().count(b"\n") for path in files)


@pytest.mark.slow
def test_ten_kills_cost_no_item_and_no_answer_twice(place, miniature):
    dice = random.Random(11)
    moments = []
    for _ in range(KILLS):
        process = start(place, miniature)
        before, target = count_journalled(place), dice.randint(1, 12)
        while process.poll() is None and count_journalled(place) < before + target:
            time.sleep(0.005)
        time.sleep(dice.random() * 0.3)
        assert process.poll() is None, "it was to be killed on its way"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (place / "evaluation").exists(), "no half-written evaluation"
        moments.append(count_journalled(place))
    assert 0 < moments[0] <= moments[-1] < ITEMS and sorted(moments) == moments
    process = start(place, miniature)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    verdicts = pl.read_parquet(place / "evaluation" / "mine" / "verdicts.parquet")
    assert sorted(verdicts["item_id"]) == sorted(f"sums-{n}" for n in range(1, ITEMS + 1))
    whole = place.parent / "whole"
    whole.mkdir(exist_ok=True)
    for name in ("sums.jsonl", "sums.yaml", "params.yaml"):
        (whole / name).write_bytes((place / name).read_bytes())
    assert start(whole, miniature).wait() == 0
    expected = pl.read_parquet(whole / "evaluation" / "mine" / "verdicts.parquet")
    assert verdicts.equals(expected), "as if nobody had killed it"
    assert count_journalled(whole) == ITEMS
    assert start(whole, miniature).wait() == 0
    assert count_journalled(whole) == ITEMS, "a finished evaluation is not done again"
