"""The site's file: complete, without secrets, and each fault named."""

import json
from pathlib import Path
from typing import Any

import pytest
from machine_settings import build_settings, build_site

from flows.machines.choices import Choice
from flows.machines.needs import Needs
from flows.machines.site import load_site, parse_site
from flows.machines.variables import build_any_variables, build_variables
from judgeforge.errors import InputError


def test_a_file_is_read_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = build_site(environment={"MLFLOW_TRACKING_URI": "https://mlflow.example.org"})
    path = tmp_path / "site.json"
    path.write_text(site.model_dump_json())
    monkeypatch.setenv("JUDGEFORGE_SITE", str(path))
    assert load_site() == site


def test_where_no_file_is_named_the_variable_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGEFORGE_SITE", raising=False)
    with pytest.raises(InputError, match="JUDGEFORGE_SITE"):
        load_site()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("owner", "Lab 1"),
        ("subnet_ids", []),
        ("remote_url", "s3://bucket"),
        ("mode", "fleet"),
        ("checkpoint_grace_s", 300),
        ("state_prefix", "/states/"),
        ("permissions_boundary", "machines"),
        ("kms_key_arns", ["*"]),
        ("egress_ports", []),
        ("egress_ports", [70000]),
        ("egress_cidrs", ["anywhere"]),
        ("egress_cidrs", ["10.0.0.1/8"]),
        ("colour", "blue"),
    ],
)
def test_a_wrong_key_is_named(key: str, value: object) -> None:
    with pytest.raises(InputError, match=key):
        parse_site(json.loads(build_site().model_dump_json()) | {key: value}, "site.json")


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY",
        "PREFECT_API_KEY",
        "PREFECT_API_AUTH_STRING",
        "HF_TOKEN",
        "SLACK_WEBHOOK_URL",
        "SIGNING_KEY",
    ],
)
def test_a_secret_among_the_variables_is_refused_and_its_value_not_shown(name: str) -> None:
    with pytest.raises(InputError, match=name) as caught:
        parse_site(json.loads(build_site().model_dump_json()) | {"environment": {name: "hush"}}, "site.json")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("address", ["https://me:hush@example.org/x", "https://hush@example.org/x", "//me:hush@[::1/x"])
@pytest.mark.parametrize("key", ["repository_url", "prefect_api_url", "environment.MLFLOW_TRACKING_URI"])
def test_an_address_with_a_user_or_a_password_is_refused_and_not_shown(key: str, address: str) -> None:
    outer, _, inner = key.partition(".")
    address = address if outer != "prefect_api_url" or address.startswith("https:") else f"https:{address}"
    values = json.loads(build_site().model_dump_json()) | {outer: {inner: address} if inner else address}
    with pytest.raises(InputError, match=key) as caught:
        parse_site(values, "site.json")
    assert "hush" not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize("address", ["https://git.example.org/a@b.git", "ssh://git@git.example.org/a.git"])
def test_an_address_without_a_secret_is_taken(address: str) -> None:
    site = build_site(repository_url=address, environment={"PLACE": address}, egress_ports=[443, 22])
    assert site.repository_url == address


@pytest.mark.parametrize(
    ("changes", "port"),
    [
        ({"prefect_api_url": "https://prefect.example.org:4200/api"}, 4200),
        ({"prefect_api_url": "http://prefect.example.org/api"}, 80),
        ({"repository_url": "ssh://git@git.example.org/a.git"}, 22),
        ({"environment": {"MLFLOW_TRACKING_URI": "https://mlflow.example.org:5000"}}, 5000),
    ],
)
def test_a_port_that_machines_need_and_may_not_reach_is_named(changes: dict[str, Any], port: int) -> None:
    values = json.loads(build_site().model_dump_json()) | changes
    with pytest.raises(InputError, match=f"port {port}, which is not in egress_ports"):
        parse_site(values, "site.json")
    assert parse_site(values | {"egress_ports": [443, port]}, "site.json").egress_ports == (443, port)


def test_addresses_that_need_no_port_of_the_network_are_taken() -> None:
    loopback = {"prefect_api_url": "http://127.0.0.1:4200/api", "repository_url": "file:///srv/judgeforge"}
    build_site(**loopback, environment={"MLFLOW_TRACKING_URI": "http://localhost:5000"})
    through = {"HTTPS_PROXY": "http://proxy.example.org:443"}
    build_site(prefect_api_url="https://prefect.example.org:4200/api", environment=through)


def test_a_variable_that_is_no_address_is_taken() -> None:
    environment = {"MAIL": "me@example.org", "STORE": "sqlite:////data/a@b.db", "LIST": "[a"}
    assert build_site(environment=environment).environment == environment


def test_states_lie_apart_by_owner_and_run() -> None:
    assert build_site(state_prefix="a/b").name_state("run-1") == "a/b/lab/run-1.tfstate"


def test_terraform_is_asked_for_the_choice_and_may_expire_after_the_machines_end() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/1234-abcd"
    site, settings = build_site(kms_key_arns=[key]), build_settings(max_life_minutes=60)
    choice = Choice(("g5.xlarge",), ("subnet-b",), True)
    variables = build_variables(settings, site, "run-1", choice, 2, "a" * 40, Needs())
    assert variables["machine_types"] == ["g5.xlarge"]
    assert (variables["subnet_ids"], variables["spot"], variables["machines"]) == (["subnet-b"], True, 2)
    assert variables["kms_key_arns"] == [key]
    assert (variables["egress_ports"], variables["egress_cidrs"]) == ([443], ["0.0.0.0/0"])
    assert variables["expires"].endswith("Z")
    assert build_any_variables(settings, site, "run-1").keys() == variables.keys()
