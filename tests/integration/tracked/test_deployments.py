"""All deployments of prefect.yaml at a real Prefect server, and the Kubernetes work pool with its job template."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import tenacity
import yaml

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow

SCHEDULED = {"weekly", "nightly", "champion", "machines"}


def run_prefect(server: dict[str, str], *arguments: str) -> str:
    environment = os.environ | server
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]), "JUDGEFORGE_CHECKOUT": str(ROOT)}
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def list_declared() -> list[dict[str, Any]]:
    return yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


@pytest.fixture(scope="module")
def deployed(prefect_server: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Deploy everything, and return what the server holds: by flow and name."""
    for pool in {entry["work_pool"]["name"] for entry in list_declared()}:
        run_prefect(prefect_server, "work-pool", "create", pool, "--type", "process")
    run_prefect(prefect_server, "deploy", "--all")
    address = prefect_server["PREFECT_API_URL"]
    flows = {each["id"]: each["name"] for each in httpx.post(f"{address}/flows/filter", json={}).json()}
    found = httpx.post(f"{address}/deployments/filter", json={}).json()
    return {f"{flows[each['flow_id']]}/{each['name']}": each for each in found}


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


def test_scheduled_flows_never_run_twice_at_once(deployed: dict[str, dict[str, Any]]) -> None:
    scheduled = [each for each in deployed.values() if each["schedules"]]
    assert all(each["global_concurrency_limit"]["limit"] == 1 for each in scheduled)


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
