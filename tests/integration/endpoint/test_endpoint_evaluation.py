"""``judgeforge evaluate --endpoint`` through the real program: estimate, verdicts, and nothing paid for twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from judgeforge.grading.templates import load_template

from .conftest import KEY, fail, say

ROOT = Path(__file__).parents[3]
RUBRIC = {"criteria": "Is it right?", "levels": ["no", "hardly", "partly", "mostly", "yes"]}


@pytest.fixture
def place(tmp_path, server):
    rows = [{"instruction": f"Say {n}.", "response": f"{n}", "gold": 1 + n % 5} for n in range(10)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = {"name": "sums", "layout": "direct", "file": "sums.jsonl", "rubric": RUBRIC}
    (tmp_path / "sums.yaml").write_text(yaml.safe_dump(benchmark))
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["evaluate"] |= {"benchmarks": ["sums.yaml"], "bootstrap_resamples": 50}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    settings = {"base_url": server.url, "model": "some-judge", "api_key_env": "SOME_KEY", "first_wait_s": 0.01}
    settings |= {"max_attempts": 2, "price_per_million_input": 1, "price_per_million_output": 1}
    (tmp_path / "endpoint.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def evaluate(place: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "judgeforge.cli", "evaluate", "--judge", "theirs", "--endpoint", "endpoint.yaml"]
    command += more
    environment = os.environ | {"SOME_KEY": KEY, "MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db"}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def test_an_endpoint_is_evaluated_and_a_fault_on_the_way_costs_no_answer(place, server):
    def find_number(body: dict) -> int:
        return int(body["messages"][-1]["content"].split("Say ")[1].split(".")[0])

    def give(body: dict):
        return say(f"Fine. [RESULT] {1 + find_number(body) % 5}")

    server.script = lambda count, body: fail(500) if find_number(body) == 7 else give(body)
    broken = evaluate(place)
    assert broken.returncode == 75 and "2 attempts" in broken.stderr and "Traceback" not in broken.stderr
    answered = {find_number(body) for body in server.bodies} - {7}
    server.bodies.clear()
    server.script = lambda count, body: give(body)
    done = evaluate(place)
    assert done.returncode == 0, done.stderr
    assert "10 questions" in done.stderr and "USD at most" in done.stderr
    assert 7 in {find_number(body) for body in server.bodies} and len(server.bodies) <= 10
    assert len({find_number(body) for body in server.bodies} & answered) < 8, "answers that had come were kept"
    entry = json.loads((place / "evaluation" / "theirs" / "metrics.json").read_text())["benchmarks"]["sums"]
    assert entry["items"] == 10 and entry["metrics"]["pearson"]["value"] == pytest.approx(1)
    asked = len(server.bodies)
    assert evaluate(place).returncode == 0
    assert len(server.bodies) == asked, "a finished run costs nothing"
    for path in place.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
    assert KEY not in broken.stderr + done.stderr


def test_a_judge_that_was_trained_anew_is_asked_anew_and_the_cache_is_where_one_says(place, server):
    judge = place / "merged"
    judge.mkdir()
    (judge / "judge_template.json").write_text(load_template("judgeforge-1").model_dump_json())
    (judge / "model.safetensors").write_bytes(b"first")
    options = ("--template", "merged", "--cache", "elsewhere/paid.sqlite")
    assert evaluate(place, *options).returncode == 0
    asked = len(server.bodies)
    (judge / "model.safetensors").write_bytes(b"second")
    done = evaluate(place, *options)
    assert done.returncode == 0 and "10 questions, 0 of them answered already" in done.stderr
    assert len(server.bodies) == 2 * asked
    assert (place / "elsewhere" / "paid.sqlite").is_file() and not (place / ".judgeforge" / "answers.sqlite").exists()


def test_a_prompt_that_was_too_long_is_asked_again(place, server):
    server.script = lambda count, body: fail(400, "This model's maximum context length is 4096 tokens.")
    assert evaluate(place).returncode == 0
    server.script = lambda count, body: say("Fine. [RESULT] 3")
    assert evaluate(place).returncode == 0
    entry = json.loads((place / "evaluation" / "theirs" / "metrics.json").read_text())["benchmarks"]["sums"]
    assert entry["unparsable_rate"] == 0
