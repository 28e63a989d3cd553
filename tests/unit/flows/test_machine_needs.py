"""What machines install follows from the recipe and from the stages that they may get."""

import re
import tomllib
from pathlib import Path

import pytest
from machine_settings import build_settings, build_site

from flows.machines.choices import Choice
from flows.machines.needs import Needs, find_needs
from flows.machines.variables import build_variables
from flows.placing import is_remote
from judgeforge.params import Params, check_params
from judgeforge.recipe import compose_recipe

ROOT = Path(__file__).resolve().parents[3]
STAGES = ("prepare", "warm_up@form", "train@direct", "search", "merge", "evaluate@base", "reference@random")
PLAIN, WITH_VLLM = ("setup",), ("setup", "setup-vllm")


def find_for(names: list[str], *settings: str) -> Needs:
    document = compose_recipe(names, ["runner.provider=aws", *settings], ROOT / "conf")
    params: Params = check_params(document, "params.yaml")
    return find_needs(params, [stage for stage in STAGES if is_remote(stage, params.runner)])


@pytest.mark.parametrize(
    ("recipe", "settings", "extras", "targets"),
    [
        ("demo", [], (), PLAIN),
        ("smoke", [], (), PLAIN),
        ("prometheus-2-7b", [], ("deepspeed",), WITH_VLLM),
        ("prometheus-2-8x7b", [], ("deepspeed",), WITH_VLLM),
        ("single-gpu-7b-lora", [], (), WITH_VLLM),
        ("single-gpu-7b-lora", ["train.method=qlora"], ("qlora",), WITH_VLLM),
        ("prometheus-2-7b", ["train.liger=true"], ("deepspeed", "gpu"), WITH_VLLM),
        # Judging stays here, and a search that is off judges nothing.
        ("prometheus-2-7b", ["runner.stages=[train,search,merge]"], ("deepspeed",), PLAIN),
        ("prometheus-2-7b", ["runner.stages=[search]", "search.enabled=true"], (), WITH_VLLM),
        ("prometheus-2-7b", ["runner.stages=['evaluate@base']"], (), WITH_VLLM),
        ("prometheus-2-7b", ["runner.stages=[reference]"], (), PLAIN),  # judges of no model
        ("prometheus-2-7b", ["evaluate.engine=transformers"], ("deepspeed",), PLAIN),
    ],
)
def test_it_is_what_the_stages_on_machines_use(
    recipe: str, settings: list[str], extras: tuple[str, ...], targets: tuple[str, ...]
) -> None:
    assert find_for([recipe], *settings) == Needs(extras, targets)


def test_terraform_is_told_beside_what_the_site_says() -> None:
    choice = Choice(("g5.xlarge",), ("subnet-b",), True)
    needs = Needs(("deepspeed", "gpu"), WITH_VLLM)
    variables = build_variables(build_settings(), build_site(), "run-1", choice, 2, "a" * 40, needs)
    assert variables["extras"] == ["pipeline", "train", "gpu", "aws", "deepspeed"]
    assert variables["setup_targets"] == ["setup", "setup-vllm"]


def test_all_of_it_can_be_made() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"deepspeed", "qlora", "gpu"} <= extras.keys()
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in WITH_VLLM)
