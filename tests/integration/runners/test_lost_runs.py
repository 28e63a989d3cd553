"""Runs whose process is gone are found by the automation of prefect.yaml and marked; healthy ones are left alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from flows.remote.handing import name_tag
from tests.integration.runners.projects import ROOT, Project, make_project, write_params
from tests.integration.runners.workers import Worker, find_descendants
from tests.integration.tracked.receivers import receiving_webhook
from tests.prefect_server import PrefectServer

pytestmark = pytest.mark.slow

SAVE = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock
data = {"subject": "{{subject}}", "body": "{{body}}"}
CustomWebhookNotificationBlock(name="ops", url=sys.argv[1], json_data=data).save("ops", overwrite=True)
"""


def read_states(server: PrefectServer) -> dict[str, str]:
    """Return the state of every run of the flow ``retrain``, by the process's project."""
    chosen = {"flows": {"name": {"any_": ["retrain"]}}}
    found = server.ask("flow_runs/filter", chosen)
    return {run["id"]: run["state_type"] for run in found}


def start_long(project: Project) -> "tuple[str, object]":
    """Start a retraining whose stage takes long, and return its flow run and its process."""
    write_params(project.path, provider="none")
    project.set_pace({"prepare": {"steps": 900, "step_s": 1.0}})
    before = set(read_states(project.server))
    flow = project.start_flow()
    return next(iter(wait_for_new(project, before))), flow


def wait_for_new(project: Project, before: set[str]) -> set[str]:
    deadline = time.monotonic() + 120
    while not (new := set(read_states(project.server)) - before):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return new


def create_run(server: PrefectServer, flow: str, state: str, tags: Sequence[str] = ()) -> str:
    """Create a run that sends no heartbeats, as of a flow started by hand with other settings."""
    number = server.ask("flows/", {"name": flow})["id"]
    body = {"flow_id": number, "state": {"type": state, "name": state.title()}, "tags": list(tags)}
    return str(server.ask("flow_runs/", body)["id"])


def send_sign(server: PrefectServer, run: str) -> None:
    """Send one sign of a run's life."""
    sign = {"occurred": datetime.now(UTC).isoformat(), "event": "prefect.flow-run.heartbeat", "id": str(uuid4())}
    sign |= {"resource": {"prefect.resource.id": f"prefect.flow-run.{run}"}, "payload": {}}
    server.ask("events", [sign])


def read_state(server: PrefectServer, run: str) -> str:
    return str(server.ask(f"flow_runs/{run}")["state_type"])


def deploy_healing(project: Project, hook: str) -> Worker:
    """Register the deployment with a shorter patience: whom it starts for nothing judges for itself."""
    text = (project.path / "prefect.yaml").read_text()
    assert "within: 180" in text
    (project.path / "prefect.yaml").write_text(text.replace("within: 180", "within: 60"))
    prefect = (sys.executable, "-m", "prefect", "--no-prompt")
    project.run(*prefect, "work-pool", "create", "judgeforge", "--type", "process", "--overwrite")
    project.run(*prefect, "deploy", "--name", "lost-runs", "--param", "lost_after_s=90")
    project.run(sys.executable, "-c", SAVE, hook)
    told = {"JUDGEFORGE_NOTIFY_BLOCKS": "custom-webhook/ops"}
    return Worker("healer", project.path, project.environment | told, pool="judgeforge")


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    with receiving_webhook() as received:
        yield received


def test_the_automation_finds_a_killed_run_and_no_healthy_one_though_the_server_was_away(
    server: PrefectServer, tmp_path: Path, wait_for: Callable[..., None], hook: tuple[str, list[dict[str, Any]]]
) -> None:
    address, posts = hook
    for name in ("killed", "healthy"):
        (tmp_path / name).mkdir()
    killed, healthy = (make_project(tmp_path / name, server) for name in ("killed", "healthy"))
    healer = deploy_healing(killed, address)
    mute, stage = create_run(server, "retrain", "RUNNING"), create_run(server, "reproduce", "RUNNING")
    send_sign(server, stage)
    dead, first = start_long(killed)
    alive, second = start_long(healthy)
    try:
        wait_for(lambda: read_states(server)[alive] == "RUNNING")
        for pid in [first.pid, *find_descendants(first.pid)]:  # type: ignore[attr-defined]
            os.kill(pid, signal.SIGKILL)
        first.wait()  # type: ignore[attr-defined]
        server.stop()
        server.start()
        wait_for(lambda: read_states(server)[dead] == "CRASHED", 600, healer.read_log)
        assert read_states(server)[alive] == "RUNNING"
        assert read_states(server)[mute] == "RUNNING", "it never sent a sign, so its silence says nothing"
        assert second.poll() is None  # type: ignore[attr-defined]
        wait_for(lambda: read_state(server, stage) == "CRASHED", 300, healer.read_log)
        wait_for(lambda: posts, 60, healer.read_log)
        assert [post["subject"].split(" (")[0] for post in posts] == ["judgeforge, failure: retrain"], "no stage's"
        assert posts[0]["subject"].endswith(" is lost")
        links = [line for line in posts[0]["body"].splitlines() if line.startswith("Flow run: ")]
        assert len(links) == 1 and links[0].endswith(f"/runs/flow-run/{dead}"), "the lost run, not the finder's"
    finally:
        os.killpg(second.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        healer.stop()


HEAL = "from flows.heal import heal; heal(lost_after_s=90)"


def test_a_server_that_is_away_as_heal_wakes_up_costs_no_lost_run_its_end(
    server: PrefectServer, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    dead = create_run(server, "retrain", "RUNNING")
    stage = create_run(server, "reproduce", "SCHEDULED", [name_tag(UUID(dead))])
    send_sign(server, dead)
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"} | server.environment()
    log = tmp_path / "heal.log"
    with log.open("wb") as output:
        healer = subprocess.Popen(
            [sys.executable, "-c", HEAL], cwd=tmp_path, env=environment, stdout=output, stderr=output
        )
    try:
        wait_for(lambda: "Beginning flow run" in log.read_text(), 120, log.read_text)
        time.sleep(100)
        server.stop()
        time.sleep(40)  # it wakes up after 120 s
        assert healer.poll() is None, log.read_text()
        server.start()
        assert healer.wait(600) == 0, log.read_text()
    finally:
        healer.kill()
        healer.wait()
    assert read_state(server, dead) == "CRASHED"
    assert read_state(server, stage) in {"CANCELLING", "CANCELLED"}
