"""The compose file and the Kubernetes job template: what they promise, and what Docker Compose says, if it is here."""

import importlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.compose_values import COMPOSE, build_environment

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "infra" / "kubernetes" / "base-job-template.json"
_SECRET = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|AUTH|TOKEN|CONNECTION_URL|STORE_URI")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((COMPOSE / "compose.yaml").read_text())


def list_names() -> set[str]:
    lines = (COMPOSE / ".env.example").read_text().splitlines()
    return {line.partition("=")[0] for line in lines if line and not line.startswith("#")}


def test_every_port_is_bound_to_loopback(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_secret_stands_in_a_file_and_each_is_named_and_required(compose: dict[str, Any]) -> None:
    used = set()
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if _SECRET.search(name):
                found = re.findall(r"\$\{(\w+):\?", value)
                assert found, f"{name} has a value of its own, or may be left out"
                used |= set(found)
    assert used == list_names()
    values = [line.partition("=")[2] for line in (COMPOSE / ".env.example").read_text().splitlines() if line[:1] != "#"]
    assert set(values) == {""}
    ignored = subprocess.run(["git", "check-ignore", "-q", "infra/compose/.env"], cwd=ROOT, check=False)
    assert ignored.returncode in (0, 128)  # 128: no git checkout


def test_images_are_pinned_and_are_of_the_versions_that_judgeforge_has(compose: dict[str, Any]) -> None:
    images = {service["image"] for service in compose["services"].values()}
    base = re.search(r"^FROM (\S+)", (COMPOSE / "mlflow.Dockerfile").read_text(), re.M)
    assert base is not None
    for image in (*images, base[1]):
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[\w.-]+)?", image), image
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert f"prefecthq/prefect:{pins['prefect']}-python3.11" in images
    assert f"judgeforge-mlflow:{pins['mlflow']}" in images
    assert {"boto3", "psycopg2-binary"} <= set(pins), "the image takes their versions from there"


def test_what_lasts_is_on_named_volumes_and_every_server_has_a_health_check(compose: dict[str, Any]) -> None:
    services = compose["services"]
    servers = {name: each for name, each in services.items() if "ports" in each}
    assert set(servers) == {"postgres", "prefect", "mlflow", "s3"}
    assert all("healthcheck" in each and each["restart"] == "unless-stopped" for each in servers.values())
    mounts = [mount.partition(":")[0] for each in services.values() for mount in each.get("volumes", [])]
    assert sorted(mounts) == sorted(compose["volumes"])
    for each in services.values():
        assert all(other in services for other in each.get("depends_on", {}))


BEHIND_A_PROXY = {
    "MLFLOW_SERVER_ALLOWED_HOSTS": ("mlflow", "127.0.0.1:*,localhost:*"),
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ("mlflow", "http://127.0.0.1:*,http://localhost:*"),
    "PREFECT_SERVER_UI_API_URL": ("prefect", "http://127.0.0.1:4200/api"),
}


@pytest.mark.parametrize("name", BEHIND_A_PROXY)
def test_what_a_proxy_needs_can_be_set_and_is_loopback_otherwise(name: str) -> None:
    service, default = BEHIND_A_PROXY[name]
    assert build_environment(service, {})[name] == default
    assert build_environment(service, {name: "as set"})[name] == "as set"
    lines = (COMPOSE / ".env.example").read_text().splitlines()
    assert any(line.startswith(f"#{name}=") and ".example.org" in line for line in lines)


def test_the_address_for_browsers_follows_the_port() -> None:
    assert build_environment("prefect", {"PREFECT_PORT": "9"})["PREFECT_SERVER_UI_API_URL"] == "http://127.0.0.1:9/api"


def find_docker_compose() -> list[str]:
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    asked = ["docker", "compose", "version"]
    if shutil.which("docker") and subprocess.run(asked, capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    pytest.skip("Docker Compose is not installed")


def test_docker_compose_takes_the_file_and_wants_every_secret(tmp_path: Path) -> None:
    command = [*find_docker_compose(), "--file", str(COMPOSE / "compose.yaml"), "--env-file"]
    env = tmp_path / "env"
    env.write_text("".join(f"{name}=some:thing\n" for name in list_names()))
    done = subprocess.run([*command, str(env), "config", "--quiet"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for missing in list_names():
        env.write_text("".join(f"{name}=some:thing\n" for name in list_names() - {missing}))
        done = subprocess.run([*command, str(env), "config", "--quiet"], capture_output=True, text=True, check=False)
        assert done.returncode != 0 and missing in done.stderr


def list_placeholders(value: Any) -> set[str]:
    return set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(value)))


def test_the_job_template_is_a_schema_whose_variables_are_all_used() -> None:
    template = json.loads(TEMPLATE.read_text())
    variables = template["variables"]
    jsonschema.Draft202012Validator.check_schema(variables)
    assert list_placeholders(template["job_configuration"]) == set(variables["properties"])
    defaults = {name: each["default"] for name, each in variables["properties"].items() if "default" in each}
    jsonschema.validate(defaults | {"image": "registry.example/judgeforge@sha256:0"}, variables)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(defaults, variables)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(defaults | {"image": "i", "gpus": 0}, variables)


def test_a_job_gets_gpus_no_privileges_and_an_end() -> None:
    spec = json.loads(TEMPLATE.read_text())["job_configuration"]["job_manifest"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "{{ gpus }}"
    assert pod["securityContext"]["runAsNonRoot"] and not container["securityContext"]["allowPrivilegeEscalation"]
    assert pod["automountServiceAccountToken"] is False
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, "{{ max_life_seconds }}")


def test_deploying_again_asks_for_each_schedule_whether_it_was_resumed() -> None:
    """One that prefect.yaml does not ask for would be paused by each deploy."""
    project = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    asked = project["build"][0]["flows.deploying.look_around"]["schedules"]
    scheduled = {}
    for each in project["deployments"]:
        path, _, function = each["entrypoint"].partition(":")
        flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), function)
        for schedule in each.get("schedules", []):
            assert schedule["active"] == "{{ now." + schedule["slug"] + " }}"
            scheduled[schedule["slug"]] = f"{flow.name}/{each['name']}"
    assert scheduled == asked
