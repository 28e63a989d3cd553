"""``judgeforge compare`` through the real program, on verdict files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RUBRIC = {"criteria": "Is it right?", "levels": ["no", "hardly", "partly", "mostly", "yes"]}


def call(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "judgeforge.cli", *arguments]
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db", "PATH": "/usr/bin:/bin", "HOME": str(place)}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def evaluate(place: Path, judge: str, choices: str) -> None:
    rows = [{"benchmark": "pairs", "item_id": f"pairs-{n}", "choice": c} for n, c in enumerate(choices, start=1)]
    (place / f"{judge}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = call(place, "evaluate", "--judge", judge, "--recorded", f"{judge}.jsonl")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rows = [{"instruction": f"Say {n}.", "response_a": f"{n}", "response_b": "no", "gold": "A"} for n in range(12)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = {"name": "pairs", "layout": "pairwise", "file": "pairs.jsonl", "rubric": RUBRIC}
    (tmp_path / "pairs.yaml").write_text(yaml.safe_dump(benchmark))
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["evaluate"] |= {"benchmarks": ["pairs.yaml"], "bootstrap_resamples": 200}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return tmp_path


def test_two_judges_are_compared_with_tests_and_the_same_judge_with_p_one(place):
    evaluate(place, "right", "A" * 12)
    evaluate(place, "wrong", "A" * 4 + "B" * 8)
    done = call(place, "compare", "evaluation/right", "evaluation/wrong", "--output", "found.json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads((place / "found.json").read_text())
    assert (found["measure"], found["items"], found["prompts"]) == ("accuracy", 12, 12)
    assert found["difference"]["value"] == pytest.approx(8 / 12)
    # All 8 prompts that differ lie on one side: 2 of 2^8 arrangements, and 2 / 2^8 by McNemar's exact test.
    assert found["p"] == pytest.approx(2 / 256, abs=0.003)
    assert found["p_holm"] == found["p"]
    assert (found["same"], found["mode"], found["barred"], found["contaminated"]) == (
        pytest.approx(4 / 12),
        "clean",
        False,
        0,
    )
    assert found["mcnemar"] == {"first_only": 8, "second_only": 0, "p": pytest.approx(2 / 256)}
    assert "right less wrong" in done.stdout and "+0.667" in done.stdout
    same = call(place, "compare", "evaluation/right", "evaluation/right", "--output", "same.json")
    assert same.returncode == 0
    (found,) = json.loads((place / "same.json").read_text())
    assert found["same"] == 1
    assert (found["p"], found["mcnemar"]["p"], found["needed"]) == (1.0, 1.0, None)


def test_what_cannot_be_compared_is_told(place):
    evaluate(place, "right", "A" * 12)
    evaluate(place, "wrong", "B" * 12)
    shutil.copy(*(place / "evaluation" / name / "verdicts.parquet" for name in ("wrong", "right")))
    other = call(place, "compare", "evaluation/right", "evaluation/wrong")
    assert other.returncode == 2 and "does not belong to the verdicts beside it" in other.stderr
    evaluate(place, "right", "A" * 12)
    absent = call(place, "compare", "evaluation/right", "evaluation/none")
    assert absent.returncode == 2 and "no evaluation in evaluation/none" in absent.stderr
    unknown = call(place, "compare", "evaluation/right", "evaluation/right", "--measure", "beauty")
    assert unknown.returncode == 2 and "has a measure beauty" in unknown.stderr
