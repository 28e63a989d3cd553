"""The site's file: complete, without secrets, and each fault named."""

import json
from pathlib import Path

import pytest
from machine_settings import build_settings, build_site

from flows.machines.choices import Choice
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
        ("colour", "blue"),
    ],
)
def test_a_wrong_key_is_named(key: str, value: object) -> None:
    with pytest.raises(InputError, match=key):
        parse_site(json.loads(build_site().model_dump_json()) | {key: value}, "site.json")


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "HF_TOKEN"])
def test_a_secret_among_the_variables_is_refused_and_its_value_not_shown(name: str) -> None:
    with pytest.raises(InputError, match=name) as caught:
        parse_site(json.loads(build_site().model_dump_json()) | {"environment": {name: "hush"}}, "site.json")
    assert "hush" not in str(caught.value)


def test_states_lie_apart_by_owner_and_run() -> None:
    assert build_site(state_prefix="a/b").name_state("run-1") == "a/b/lab/run-1.tfstate"


def test_terraform_is_asked_for_the_choice_and_may_expire_after_the_machines_end() -> None:
    site, settings = build_site(), build_settings(max_life_minutes=60)
    choice = Choice(("g5.xlarge",), ("subnet-b",), True)
    variables = build_variables(settings, site, "run-1", choice, 2, "a" * 40)
    assert variables["machine_types"] == ["g5.xlarge"]
    assert (variables["subnet_ids"], variables["spot"], variables["machines"]) == (["subnet-b"], True, 2)
    assert variables["expires"].endswith("Z")
    assert build_any_variables(settings, site, "run-1").keys() == variables.keys()
