"""A stage's options that nobody gives are those of dvc.yaml."""

from pathlib import Path

import pytest
import yaml

from judgeforge.cli.wiring import load_stage_defaults

STAGES = {
    "merge": {"cmd": "python -m judgeforge.merge --base models/base --out=models/merged"},
    "evaluate": {
        "matrix": {"judge": "${matrix.judges}"},
        "cmd": "python -m judgeforge.evaluate --judge ${item.judge} --model models/${item.judge}",
    },
    "reference": {
        "matrix": {"judge": ["random"]},
        "cmd": "python -m judgeforge.evaluate --judge ${item.judge} --train-set t",
    },
    "train": {
        "matrix": {"format": ["direct"]},
        "cmd": "python -m judgeforge.train --base models/${matrix.start} --out models/${item.format} --x ${matrix.no}",
    },
    "other": {"cmd": "echo python -m judgeforge.merge --base wrong"},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"matrix": {"judges": ["base", "merged"], "start": "form"}}))
    return tmp_path


def test_options_are_those_of_the_stages_command(root: Path) -> None:
    assert load_stage_defaults("merge", ["merge"], root) == {"base": "models/base", "out": "models/merged"}


@pytest.mark.parametrize("given", [["--judge", "merged"], ["--judge=merged"], ["--model", "x", "--judge", "merged"]])
def test_the_value_given_chooses_the_cell_of_the_matrix(given: list[str], root: Path) -> None:
    assert load_stage_defaults("evaluate", ["evaluate", *given], root) == {"judge": "merged", "model": "models/merged"}


def test_the_value_given_chooses_the_stage_whose_matrix_holds_it(root: Path) -> None:
    found = load_stage_defaults("evaluate", ["evaluate", "--judge", "random"], root)
    assert found == {"judge": "random", "train_set": "t"}


def test_values_of_params_yaml_are_filled_in(root: Path) -> None:
    found = load_stage_defaults("train", ["train", "--format", "direct"], root)
    assert found == {"base": "models/form", "out": "models/direct", "x": "${matrix.no}"}


@pytest.mark.parametrize("arguments", [["evaluate"], ["evaluate", "--judge"], ["evaluate", "--judge", "unknown"]])
def test_without_a_cell_there_are_no_defaults(arguments: list[str], root: Path) -> None:
    assert load_stage_defaults("evaluate", arguments, root) == {}


@pytest.mark.parametrize("broken", ["stages: [", "[]", "other: {}"])
def test_a_broken_or_missing_dvc_yaml_gives_no_defaults(broken: str, root: Path, tmp_path: Path) -> None:
    (root / "dvc.yaml").write_text(broken)
    assert load_stage_defaults("merge", ["merge"], root) == {}
    assert load_stage_defaults("merge", ["merge"], tmp_path / "elsewhere") == {}
