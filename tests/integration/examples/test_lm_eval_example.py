"""The task of lm-evaluation-harness, where that is installed, with its model that always says the same."""

import pytest

from tests.integration.examples.conftest import EXAMPLES, expect_one_line

pytestmark = pytest.mark.examples


@pytest.fixture
def evaluate(python_with, run):
    def ask(address: str):
        options = ["--model", "dummy", "--tasks", "judged_answers", "--include_path", EXAMPLES / "lm_eval_task"]
        return run(python_with("lm_eval"), "-m", "lm_eval", "run", *options, JUDGEFORGE_SERVER=address)

    return ask


def read_metric(output: str, name: str) -> list[float]:
    cells = [[cell.strip() for cell in line.split("|")] for line in output.splitlines() if f"|{name}" in line]
    return [float(row[7]) for row in cells]


def test_a_judges_score_is_the_metric(evaluate, served) -> None:
    done = evaluate(served.address)
    assert done.returncode == 0, done.stderr
    assert read_metric(done.stdout, "judge_score")[0] in range(1, 6)
    assert read_metric(done.stdout, "judge_no_verdict") == [0]


def test_no_verdict_is_counted_and_no_score(evaluate, mute) -> None:
    done = evaluate(mute.address)
    assert done.returncode == 0, done.stderr
    assert read_metric(done.stdout, "judge_no_verdict") == [1]
    assert read_metric(done.stdout, "judge_score") == []


def test_a_judge_that_cannot_be_asked_is_said_before_the_model_runs(evaluate) -> None:
    done = evaluate("http://127.0.0.1:9")
    expect_one_line(done, 75, "no judge answers at")
    assert "Running generate_until" not in done.stderr
