"""The DeepEval example, with the package where it is installed."""

import pytest

from tests.integration.examples.conftest import EXAMPLES, expect_one_line, read_values

pytestmark = pytest.mark.examples
SCRIPT = EXAMPLES / "deepeval_metric.py"


@pytest.fixture
def python(python_with):
    return python_with("deepeval")


def test_a_score_is_put_on_deepevals_scale(python, served, run) -> None:
    done = run(python, SCRIPT, "--server", served.address)
    assert done.returncode == 0, done.stderr
    scores = read_values(done.stdout, "Judge")
    assert len(scores) == 3 and set(scores) <= {"0.0", "0.25", "0.5", "0.75", "1.0"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("Judge: ")]
    for score, line in zip(scores, lines, strict=True):
        assert f"passed={float(score) >= 0.75} (" in line


def test_no_verdict_is_no_score_and_does_not_pass(python, mute, run) -> None:
    done = run(python, SCRIPT, "--server", mute.address)
    assert done.returncode == 0, done.stderr
    assert read_values(done.stdout, "Judge") == ["None"] * 3
    assert done.stdout.count('passed=False ("No verdict could be parsed') == 3


def test_a_judge_that_cannot_be_asked_is_said_in_one_line(python, served, run) -> None:
    expect_one_line(run(python, SCRIPT, "--server", "http://127.0.0.1:9"), 75, "no judge answers at")
    refused = run(python, SCRIPT, "--server", served.address, JUDGEFORGE_TOKEN="another-token-0123456789")
    expect_one_line(refused, 2, "401")


def test_telemetry_is_off(python, run) -> None:
    code = "import deepeval_metric; from deepeval.telemetry.client import telemetry_opt_out as out; print(out())"
    done = run(python, "-c", code, folder=EXAMPLES, PYTHONDONTWRITEBYTECODE="1")
    assert done.stdout.strip() == "True", done.stderr
