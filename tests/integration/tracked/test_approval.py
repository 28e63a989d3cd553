"""A retraining that waits for a person: real Prefect server, real flow process, real registry."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from judgeforge.params import load_params
from tests.prefect_server import running_prefect

NAME = "judgeforge-judge"


@pytest.fixture
def prefect(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run a Prefect server on loopback and point the environment to it."""
    with running_prefect(project / "prefect") as server:
        monkeypatch.setenv("PREFECT_API_URL", server.address)
        yield server.address


def wait_for_pause(address: str) -> str:
    """Return the id of the flow run that waits."""
    deadline = time.monotonic() + 300
    asked = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}}
    while time.monotonic() < deadline:
        found = httpx.post(f"{address}/flow_runs/filter", json=asked, timeout=10).json()
        if found:
            return str(found[0]["id"])
        time.sleep(0.5)
    raise AssertionError("no flow run paused")


def find_form(address: str, run_id: str) -> str:
    """Return what Prefect keeps of the question; it writes it just after the pause."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        asked = {"prefix": "paused", "limit": 10}
        kept = httpx.post(f"{address}/flow_runs/{run_id}/input/filter", json=asked, timeout=10).json()
        if any("description" in each["key"] for each in kept):
            return "".join(each["value"] for each in kept)
        time.sleep(0.5)
    raise AssertionError(f"no question is kept: {kept}")


def prepare_new_rows(project: Path) -> None:
    """Do what a night does that finds new rows and whose training fails."""
    place = project / "dvc.yaml"
    place.write_text(
        place.read_text().replace("prepare data/train", "prepare data/train && echo new > data/train/rows.txt")
    )
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet", "prepare"], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("approve", [True, False])
def test_a_retraining_pauses_until_a_person_approves_with_the_decision_in_view(
    project: Path, store: Any, prefect: str, approve: bool
) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("approval: false", "approval: true"))
    from flows.data_note import has_new_data
    from flows.workspace import has_been_retrained

    with (project / "flow.log").open("wb") as log:
        flow = subprocess.Popen([sys.executable, "-m", "flows.retrain"], stderr=log, stdout=log)
    run_id = wait_for_pause(prefect)
    assert store.get_registered_model(NAME).aliases == {"challenger": 1}, "nothing is champion before"
    shown = httpx.post(f"{prefect}/artifacts/filter", json={}, timeout=10).json()
    assert any(each["key"] == "decision" and "| check |" in each["data"] for each in shown)
    assert "| check |" in find_form(prefect, run_id), "the decision stands beside the fields"
    assert not has_new_data(), "the next night does not train the same again"
    if approve:
        prepare_new_rows(project)
    answer = {"approve": approve, "name": "Bea", "comment": "looked at twenty items"}
    httpx.post(f"{prefect}/flow_runs/{run_id}/resume", json={"run_input": answer}, timeout=10).raise_for_status()
    assert flow.wait(timeout=180) == 0, (project / "flow.log").read_text()[-3000:]
    aliases, tags = store.get_registered_model(NAME).aliases, store.get_model_version(NAME, "1").tags
    if approve:
        assert aliases == {"challenger": 1, "champion": 1}
        assert tags["promoted_approved_by"] == "Bea"
        assert tags["promoted_why"] == "retraining; looked at twenty items"
        assert has_new_data(), "nobody has trained on the rows that came meanwhile"
        assert not has_been_retrained(load_params(), promote=True)
    else:
        assert aliases == {"challenger": 1}
        assert "Bea does not approve of version 1" in (project / "flow.log").read_text()
        assert has_been_retrained(load_params(), promote=True), "and nobody is asked again"
