"""All deployments of prefect.yaml at a real Prefect server, and the Kubernetes work pool with its job template."""

import contextlib
import importlib
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import tenacity
import yaml

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow

_SET = "prefect.deployments.steps.set_working_directory"
SCHEDULED = {"weekly", "nightly", "champion", "machines", "lost-runs"}


def build_environment(server: dict[str, str]) -> dict[str, str]:
    own = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]), "JUDGEFORGE_CHECKOUT": str(ROOT)}
    return os.environ | server | own


def run_prefect(server: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=build_environment(server), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def deploy_in_terminal(server: dict[str, str]) -> None:
    """Deploy everything as a person does, with the command alone, who answers no question."""
    here, terminal = pty.openpty()
    settings = build_environment(server) | {"PYTHONPATH": str(ROOT / "src"), "TERM": "xterm"}
    command = [str(Path(sys.executable).with_name("prefect")), "deploy", "--all"]
    deploying = subprocess.Popen(command, cwd=ROOT, env=settings, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown, deadline = b"", time.monotonic() + 240
    with contextlib.suppress(OSError):  # how a terminal says that nobody writes to it any more
        while time.monotonic() < deadline:
            if select.select([here], [], [], 1)[0]:
                shown += os.read(here, 65536)
    with contextlib.suppress(subprocess.TimeoutExpired):
        deploying.wait(timeout=5)
    deploying.kill()
    os.close(here)
    assert deploying.wait() == 0, shown.decode()


def list_declared() -> list[dict[str, Any]]:
    return yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def read_deployments(server: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return what the server holds, by flow and name."""
    address = server["PREFECT_API_URL"]
    flows = {each["id"]: each["name"] for each in httpx.post(f"{address}/flows/filter", json={}).json()}
    found = httpx.post(f"{address}/deployments/filter", json={}).json()
    return {f"{flows[each['flow_id']]}/{each['name']}": each for each in found}


@pytest.fixture(scope="module")
def deployed(prefect_server: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Deploy everything, and return what the server holds."""
    for pool in {entry["work_pool"]["name"] for entry in list_declared()}:
        run_prefect(prefect_server, "work-pool", "create", pool, "--type", "process")
    run_prefect(prefect_server, "deploy", "--all")
    return read_deployments(prefect_server)


def test_every_deployment_is_there_under_the_name_that_people_use(deployed: dict[str, dict[str, Any]]) -> None:
    assert len(deployed) == len(list_declared())
    wanted = {
        "retrain/weekly",
        "check-data/nightly",
        "on-demand/recipe",
        "watch-champion/champion",
        "reap/machines",
        "promote/on-demand",
    }
    assert wanted <= set(deployed)


def test_no_schedule_runs_before_somebody_resumes_it(deployed: dict[str, dict[str, Any]]) -> None:
    scheduled = {each["name"]: each["schedules"] for each in deployed.values() if each["schedules"]}
    assert set(scheduled) == SCHEDULED
    assert not any(schedule["active"] for schedules in scheduled.values() for schedule in schedules)


def test_every_entrypoint_is_a_flow_that_takes_the_deployments_parameters(deployed: dict[str, dict[str, Any]]) -> None:
    for name, each in deployed.items():
        path, _, function = each["entrypoint"].partition(":")
        flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), function)
        assert flow.name == name.partition("/")[0]
        if each["schedules"] or each["parameters"]:  # the others get theirs from whoever starts them
            flow.validate_parameters(each["parameters"])


def test_no_run_hangs_on_a_lease_of_prefects(deployed: dict[str, dict[str, Any]]) -> None:
    """A run of a deployment with a limit is killed where its lease is lost, as in each restart of the server."""
    assert not any(each["global_concurrency_limit"] for each in deployed.values())
    assert deployed["retrain/weekly"]["parameters"]["when_busy"] == "wait"


def test_the_watch_can_be_given_to_a_pool_of_machines_with_gpus(
    prefect_server: dict[str, str], deployed: dict[str, dict[str, Any]]
) -> None:
    before = deployed["watch-champion/champion"]
    assert before["work_pool_name"] == "judgeforge"
    run_prefect(prefect_server, "work-pool", "create", "judgeforge-watch", "--type", "process")
    run_prefect(prefect_server, "deploy", "--name", "watch-champion/champion", "--pool", "judgeforge-watch")
    address = prefect_server["PREFECT_API_URL"]
    after = httpx.get(f"{address}/deployments/name/watch-champion/champion", timeout=10).json()
    assert (after["id"], after["work_pool_name"]) == (before["id"], "judgeforge-watch")
    for kept in ("entrypoint", "parameters", "job_variables", "path", "pull_steps"):
        assert after[kept] == before[kept]
    assert [(each["schedule"]["cron"], each["active"]) for each in after["schedules"]] == [("0 5 * * 1", False)]


def test_prefect_takes_the_job_template_of_kubernetes(prefect_server: dict[str, str]) -> None:
    path = ROOT / "infra" / "kubernetes" / "base-job-template.json"
    run_prefect(
        prefect_server, "work-pool", "create", "cluster", "--type", "kubernetes", "--base-job-template", str(path)
    )
    found = httpx.get(f"{prefect_server['PREFECT_API_URL']}/work_pools/cluster", timeout=10).json()
    assert found["type"] == "kubernetes"
    assert found["base_job_template"] == json.loads(path.read_text())


def test_a_schedule_that_is_resumed_makes_runs(
    prefect_server: dict[str, str], deployed: dict[str, dict[str, Any]]
) -> None:
    """The server alone does this, with whatever SQLAlchemy it finds here: 2.1 broke it in silence (Prefect 3.7)."""
    machines = next(each for name, each in deployed.items() if name == "reap/machines")
    (schedule,) = machines["schedules"]
    run_prefect(prefect_server, "deployment", "schedule", "resume", "reap/machines", schedule["id"])
    wanted = {
        "deployments": {"id": {"any_": [machines["id"]]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    for attempt in tenacity.Retrying(stop=tenacity.stop_after_delay(150), wait=tenacity.wait_fixed(1), reraise=True):
        with attempt:
            found = httpx.post(f"{prefect_server['PREFECT_API_URL']}/flow_runs/filter", json=wanted, timeout=30).json()
            assert len(found) >= 3
    assert all(run["auto_scheduled"] for run in found)


def test_deploying_again_in_a_terminal_asks_nothing_and_keeps_what_people_resumed(
    prefect_server: dict[str, str], deployed: dict[str, dict[str, Any]]
) -> None:
    address = prefect_server["PREFECT_API_URL"]
    (nightly,) = deployed["check-data/nightly"]["schedules"]
    run_prefect(prefect_server, "deployment", "schedule", "resume", "check-data/nightly", nightly["id"])
    champion = deployed["watch-champion/champion"]
    run_prefect(
        prefect_server, "deployment", "schedule", "resume", "watch-champion/champion", champion["schedules"][0]["id"]
    )
    httpx.patch(f"{address}/deployments/{champion['id']}", json={"paused": True}).raise_for_status()
    deploy_in_terminal(prefect_server)
    found = read_deployments(prefect_server)
    (kept,) = found["check-data/nightly"]["schedules"]
    assert kept["active"]
    assert kept["id"] == nightly["id"], "by which people pause it again"
    for name in ("retrain/weekly", "watch-champion/champion"):
        assert not any(schedule["active"] for schedule in found[name]["schedules"]), name
    places = {name: step for name, each in found.items() for step in each["pull_steps"]}
    own = places.pop("reproduce/judgeforge-gpu")
    assert own == deployed["reproduce/judgeforge-gpu"]["pull_steps"][0]
    assert all(step == {_SET: {"directory": str(ROOT)}} for step in places.values()), places
    assert len(places) == len(found) - 1


def test_a_schedule_that_was_resumed_before_schedules_had_names_stays_so(
    prefect_server: dict[str, str], deployed: dict[str, dict[str, Any]]
) -> None:
    place = f"{prefect_server['PREFECT_API_URL']}/deployments/{deployed['retrain/weekly']['id']}/schedules"
    for schedule in httpx.get(place).raise_for_status().json():
        httpx.delete(f"{place}/{schedule['id']}").raise_for_status()
    old = {"schedule": {"cron": "0 3 * * 1", "timezone": "UTC"}, "active": True}
    httpx.post(place, json=[old]).raise_for_status()
    run_prefect(prefect_server, "deploy", "--name", "weekly")
    (kept,) = httpx.get(place).raise_for_status().json()
    assert kept["active"] and kept["slug"] == "weekly"
