"""The champion on freshly labelled rows: real registry, real weights, real Prefect server and webhook."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from judgeforge.grading.records import Rubric
from judgeforge.promote.evidence import Evidence
from tests.integration.tracked.judges import FEW, NAME, find_aliases
from tests.integration.tracked.receivers import receiving_webhook

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow

RUBRIC = Rubric(criteria="Is it right?", levels=("no", "hardly", "half", "nearly", "yes")).model_dump(mode="json")
WATCH = """
import sys, json
from flows.drift import watch_champion
state = watch_champion(sys.argv[1], json.loads(sys.argv[2]), return_state=True)
print("STATE", state.type.value, state.name, "|", state.message)
"""
SAVE = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock
data = {"subject": "{{subject}}", "body": "{{body}}"}
CustomWebhookNotificationBlock(name="ops", url=sys.argv[1], json_data=data).save("ops", overwrite=True)
"""


def write_labelled_rows(path: Path, prompts: int) -> None:
    rows: list[dict[str, Any]] = []
    for number in range(prompts):
        asked = {"instruction": f"Add {number} and 1.", "rubric": RUBRIC}
        rows.append(asked | {"response": f"It is {number + 1}.", "gold": 1 + number % 5})
        rows.append(asked | {"response_a": "It is one.", "response_b": "It is two.", "gold": "AB"[number % 2]})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def watch(
    store: Any,
    make_evidence: Callable[..., Evidence],
    run_promotion: Callable[..., Any],
    prefect_server: dict[str, str],
    tmp_path: Path,
) -> Callable[..., str]:
    """Make a judge champion, and return a function that watches it."""
    run_promotion(make_evidence(1, FEW, FEW), to="champion")
    assert find_aliases(store)["champion"] == "1"
    params = tmp_path / "params.yaml"
    text = params.read_text().replace("model_name: judgeforge-judge", f"model_name: {NAME}")
    text = text.replace("max_new_tokens: 128", "max_new_tokens: 4").replace(
        "bootstrap_resamples: 2000", "bootstrap_resamples: 100"
    )
    params.write_text(text)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])

    def run(prompts: int, least: dict[str, float], hook: str = "") -> str:
        write_labelled_rows(tmp_path / "fresh.jsonl", prompts)
        environment = os.environ | prefect_server | {"PYTHONPATH": paths}
        if hook:
            save = [sys.executable, "-c", SAVE, hook]
            saved = subprocess.run(save, env=environment, check=False, capture_output=True, text=True)
            assert saved.returncode == 0, saved.stderr
            environment["JUDGEFORGE_NOTIFY_BLOCKS"] = "custom-webhook/ops"
        done = subprocess.run(
            [sys.executable, "-c", WATCH, "fresh.jsonl", json.dumps(least)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_a_fall_is_a_named_state_an_event_a_message_a_run_and_an_artifact(
    watch: Callable[..., str], store: Any, prefect_server: dict[str, str]
) -> None:
    with receiving_webhook() as (hook, posts):
        said = watch(24, {}, hook)
    assert "STATE COMPLETED Agreement fell | pearson on labelled_direct" in said, said
    assert [post["subject"].partition(":")[0] for post in posts] == ["judgeforge, drift"]
    assert "| labelled_direct | pearson | undefined | 24, 24 | d at its promotion |" in posts[0]["body"]
    experiment = store.get_experiment_by_name("judgeforge").experiment_id
    runs = {run.info.run_name: run for run in store.search_runs([experiment])}
    watched = runs["watch-champion"]
    assert watched.info.status == "FINISHED"
    assert watched.data.tags["version"] == "1"
    assert watched.data.tags["finding.labelled_direct"] == "fell"
    assert "labelled_pairwise/accuracy_high" in watched.data.metrics
    assert runs["evaluate-merged"].data.tags["mlflow.parentRunId"] == watched.info.run_id
    assert {entry.path for entry in store.list_artifacts(watched.info.run_id)} >= {"agreement.md", "verdicts.parquet"}
    address = prefect_server["PREFECT_API_URL"]
    shown = httpx.post(f"{address}/artifacts/filter", json={}, timeout=10).json()
    assert any(each["key"] == "agreement" for each in shown)
    asked = {"filter": {"event": {"name": ["judgeforge.champion.agreement-fell"]}}}
    events = httpx.post(f"{address}/events/filter", json=asked, timeout=10).json()["events"]
    assert [event["resource"]["prefect.resource.id"] for event in events] == [f"judgeforge.model.{NAME}"]


def test_few_rows_are_no_alarm_and_enough_of_them_are(watch: Callable[..., str]) -> None:
    with receiving_webhook() as (hook, posts):
        said = watch(19, {"pearson": 0.5, "accuracy": 0.5}, hook)
        assert "STATE COMPLETED Too few rows | of labelled_direct, nothing can be said: 19 prompts are left" in said
        assert "STATE COMPLETED Agreement fell" in watch(20, {"pearson": -1, "accuracy": 0.9}, hook)
    assert len(posts) == 1
