"""The MLflow example: what it prints, and what MLflow keeps."""

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.examples.conftest import EXAMPLES, expect_one_line, read_values
from tests.integration.serving.conftest import TOKENS, prepare

SCRIPT = EXAMPLES / "mlflow_scorer.py"
NOBODY = "http://127.0.0.1:9"


def load_feedback(store: str) -> list[Any]:
    import mlflow
    from mlflow.entities import Feedback

    mlflow.set_tracking_uri(store)
    traces = mlflow.search_traces(return_type="list", locations=["0"])
    return [each for trace in traces for each in trace.info.assessments if isinstance(each, Feedback)]


def test_a_served_judge_scores_in_mlflow(served, run, tmp_path: Path, monkeypatch) -> None:
    store = f"sqlite:///{tmp_path}/mlflow.db"
    done = run(sys.executable, SCRIPT, "--server", served.address, MLFLOW_TRACKING_URI=store)
    assert done.returncode == 0, done.stderr
    scores = read_values(done.stdout, "judge_score")
    assert len(scores) == 3 and set(scores) <= set("12345")
    assert set(read_values(done.stdout, "judge_win_share")) <= {"0.0", "0.5", "1.0"}
    assert float(read_values(done.stdout, "judge_score/mean")[0]) == sum(map(int, scores)) / 3
    monkeypatch.chdir(tmp_path)
    kept = load_feedback(store)
    assert sorted(each.name for each in kept) == ["judge_score"] * 3 + ["judge_win_share"] * 3
    assert {(each.source.source_type, each.source.source_id) for each in kept} == {("LLM_JUDGE", "judgeforge:judge")}
    assert all(isinstance(each.rationale, str) and each.error is None for each in kept)


def test_a_folder_is_asked_in_process_and_no_verdict_is_none(run, tmp_path: Path, miniature: Path, template) -> None:
    prepare(tmp_path, miniature, template, constrained=False)
    done = run(sys.executable, SCRIPT, "--model", "judge", MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db")
    assert done.returncode == 0, done.stderr
    assert read_values(done.stdout, "judge_score") == ["None"] * 3
    assert done.stdout.count("No verdict could be parsed") == 6
    assert read_values(done.stdout, "judge_score/mean") == [], "nothing is made up"


def test_a_judge_that_cannot_be_asked_is_said_in_one_line(served, run, tmp_path: Path) -> None:
    expect_one_line(run(sys.executable, SCRIPT, "--server", NOBODY), 75, "no judge answers at", NOBODY)
    refused = run(
        *(sys.executable, SCRIPT, "--server", served.address),
        MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db",
        JUDGEFORGE_TOKEN="another-token-0123456789",
    )
    expect_one_line(refused, 75, "6 questions were not answered", "401")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import judge_client

    return judge_client


def test_a_token_goes_nowhere_in_the_open(client, monkeypatch) -> None:
    monkeypatch.setenv("JUDGEFORGE_TOKEN", "a-token-0123456789")
    with pytest.raises(client.JudgeFault, match="by https, or to this machine") as fault:
        client.ServedJudge("http://judge.example:80")
    assert fault.value.exit_code == 2


def test_what_the_service_refuses_is_said(client, served, monkeypatch) -> None:
    monkeypatch.setenv("JUDGEFORGE_TOKEN", TOKENS[0])
    with pytest.raises(client.JudgeFault, match="422: ") as fault:
        client.ServedJudge(served.address).grade({"instruction": "Name a prime.", "response": "9"})
    assert fault.value.exit_code == 2


def test_without_a_champion_there_is_no_judge(client, place, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(client.JudgeFault, match="is champion yet") as fault:
        client.LocalJudge(None)
    assert fault.value.exit_code == 2


def test_an_item_that_is_none_is_said(client, place, monkeypatch) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(client.JudgeFault, match="no item") as fault:
        client.LocalJudge(place / "judge").grade({"instruction": "", "response": "9"})
    assert fault.value.exit_code == 2
