"""params.yaml: every key is there, known and in its range, or a fault names it."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from judgeforge.errors import InputError
from judgeforge.params import MergeParams, Params, check_params, load_params, load_section

ROOT = Path(__file__).resolve().parents[2]
COMMITTED: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())


def list_keys(tree: dict[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    keys = []
    for key, value in tree.items():
        keys.append((*prefix, key))
        keys += list_keys(value, (*prefix, key)) if isinstance(value, dict) else []
    return keys


def find_parent(document: dict[str, Any], key: tuple[str, ...]) -> dict[str, Any]:
    for part in key[:-1]:
        document = document[part]
    return document


@pytest.mark.parametrize("key", list_keys(COMMITTED), ids=".".join)
def test_no_key_has_a_hidden_default(key: tuple[str, ...]) -> None:
    document = copy.deepcopy(COMMITTED)
    del find_parent(document, key)[key[-1]]
    with pytest.raises(InputError, match=rf"{'.'.join(key)} is missing"):
        check_params(document, "params.yaml")


@pytest.mark.parametrize("section", sorted(COMMITTED))
def test_an_unknown_key_is_named(section: str) -> None:
    document = copy.deepcopy(COMMITTED)
    document[section]["colour"] = 1
    with pytest.raises(InputError, match=rf"{section}\.colour is unknown"):
        check_params(document, "params.yaml")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("merge.alpha", 1.01),
        ("merge.alpha", "half"),
        ("train.epochs", 0),
        ("train.dtype", "float8"),
        ("train.lora.rank", 0),
        ("prepare.validation_fraction", 1),
        ("evaluate.temperature", -0.1),
        ("evaluate.top_p", 0),
        ("evaluate.confidence", 1),
        ("evaluate.seed", 2**32),
        ("evaluate.benchmarks", []),
        ("matrix.judges", ["best"]),
        ("base.source", "url"),
    ],
)
def test_a_value_out_of_its_range_is_named(key: str, value: object) -> None:
    document = copy.deepcopy(COMMITTED)
    path = tuple(key.split("."))
    find_parent(document, path)[path[-1]] = value
    with pytest.raises(InputError, match=key):
        check_params(document, "params.yaml")


@pytest.mark.parametrize(
    ("formats", "judges", "missing"),
    [
        (["direct"], ["merged"], "pairwise"),
        (["direct", "pairwise"], ["joint"], "joint"),
        (["joint"], ["direct"], "direct"),
    ],
)
def test_a_judge_that_nothing_trains_is_refused(formats: list[str], judges: list[str], missing: str) -> None:
    document = copy.deepcopy(COMMITTED)
    document["matrix"] |= {"formats": formats, "judges": judges}
    with pytest.raises(InputError, match=rf"needs '{missing}' in matrix\.formats"):
        check_params(document, "params.yaml")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"warm_ups": []}, "start 'form' goes with"),
        ({"start": "base"}, "start 'form' goes with"),
        ({"warm_ups": [], "start": "base"}, "judge 'form' needs"),
        ({"warm_ups": ["form", "form"]}, "matrix.warm_ups"),
    ],
)
def test_a_start_that_nothing_makes_is_refused(change: dict[str, object], complaint: str) -> None:
    document = copy.deepcopy(COMMITTED)
    document["matrix"] |= change
    with pytest.raises(InputError, match=complaint):
        check_params(document, "params.yaml")


def test_the_base_needs_no_training() -> None:
    document = copy.deepcopy(COMMITTED)
    document["matrix"] |= {"formats": ["direct"], "judges": ["base"]}
    assert check_params(document, "params.yaml").matrix.judges == ("base",)


def test_a_section_is_loaded_without_looking_at_the_others(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"merge": COMMITTED["merge"], "train": "broken"}))
    assert load_section("merge", MergeParams, path).model_dump() == COMMITTED["merge"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("merge: [", "is not valid YAML"),
        ("- merge", "holds no mapping"),
        ("", "holds no mapping"),
        ("train: {}", "has no section 'merge'"),
        ("merge: null", "merge: "),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"params\.yaml.*{message}"):
        load_section("merge", MergeParams, path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot read .*params\.yaml"):
        load_params(tmp_path / "params.yaml")


def test_all_faults_are_told_at_once() -> None:
    document = copy.deepcopy(COMMITTED)
    del document["merge"]["alpha"]
    document["train"]["epochs"] = -1
    with pytest.raises(InputError, match=r"train\.epochs .*; merge\.alpha is missing"):
        check_params(document, "params.yaml")


def test_values_cannot_be_changed_by_a_stage() -> None:
    params = check_params(COMMITTED, "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        params.merge.alpha = 0.3  # type: ignore[misc]
    assert set(Params.model_fields) == set(COMMITTED)


@pytest.mark.parametrize(
    ("changes", "engine", "complaint"),
    [
        ({"patience": 2}, "none", "patience needs"),
        ({"bad_update": "skip", "max_loss_ratio": 3.0}, "zero2", "DeepSpeed applies an update"),
        ({"compile": True}, "zero3", "compile does not go with engine zero3"),
    ],
)
def test_values_of_training_that_do_not_go_together_are_refused(
    changes: dict[str, Any], engine: str, complaint: str
) -> None:
    document = copy.deepcopy(COMMITTED)
    document["train"] |= changes
    document["train"]["distribution"]["engine"] = engine
    with pytest.raises(InputError, match=complaint):
        check_params(document, "params.yaml")
