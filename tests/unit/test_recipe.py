"""Recipes: conf/ composes into params.yaml, and says what changes."""

from pathlib import Path

import pytest
import yaml

from judgeforge.errors import InputError
from judgeforge.params import load_params
from judgeforge.recipe import compose_recipe, list_changes, render_params, write_recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(path.stem for path in (ROOT / "conf/recipe").glob("*.yaml"))


@pytest.fixture(autouse=True)
def in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_demo_is_what_is_committed() -> None:
    assert compose_recipe(["demo"], []) == yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_makes_valid_params_that_survive_writing(name: str, tmp_path: Path) -> None:
    document = compose_recipe([name], [])
    path = tmp_path / "params.yaml"
    path.write_text(render_params(document, f"judgeforge recipe {name}"))
    assert yaml.safe_load(path.read_text()) == document
    assert load_params(path).model_dump(mode="json") == document


def test_later_recipes_and_single_values_win() -> None:
    document = compose_recipe(["smoke", "joint"], ["train.learning_rate=1e-5", "evaluate.max_prompts=null"])
    assert document["base"]["source"] == "miniature"
    assert document["matrix"]["formats"] == ["direct", "pairwise", "joint"]
    assert document["train"]["learning_rate"] == 1e-5
    assert document["evaluate"]["max_prompts"] is None


def test_keys_keep_the_order_of_the_configuration() -> None:
    text = render_params(compose_recipe(["smoke"], []), "x")
    sections = [line.rstrip(":") for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    expected = "matrix base prepare train search merge audit evaluate promote runner"
    assert sections == expected.split()


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        (["nosuch"], [], "There is no recipe 'nosuch'.*demo"),
        (["demo"], ["train.nosuch=1"], "cannot be composed.*nosuch"),
        (["demo"], ["train.epochs=-1"], r"train\.epochs .*greater than 0"),
        (["demo"], ["train.epochs"], "no value.*KEY=VALUE"),
        (["demo"], ["matrix.formats=[direct]"], "needs 'pairwise'"),
    ],
)
def test_what_makes_no_sense_is_named_and_changes_nothing(
    names: list[str], settings: list[str], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("old")
    with pytest.raises(InputError, match=message):
        write_recipe(names, settings, path)
    assert path.read_text() == "old"


def test_elsewhere_than_in_the_root_the_remedy_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run this in the repository's root"):
        compose_recipe(["demo"], [], tmp_path / "conf")


@pytest.mark.parametrize("present", [None, "merge: [", "- list", "\xff"])
def test_an_unreadable_file_is_replaced(present: str | None, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    if present is not None:
        path.write_text(present, "latin-1")
    write_recipe(["demo"], [], path)
    assert load_params(path).merge.alpha == 0.5


def test_the_file_is_left_alone_where_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    write_recipe(["demo"], [], path)
    path.write_text("# my note\n" + path.read_text())
    assert write_recipe(["demo"], [], path) == []
    assert path.read_text().startswith("# my note\n")
    assert ("merge.alpha", 0.5, 0.4) in write_recipe(["demo"], ["merge.alpha=0.4"], path)
    assert path.read_text().splitlines()[0].endswith("judgeforge recipe demo --set merge.alpha=0.4")


def test_changes_tell_an_absent_key_from_null() -> None:
    assert list_changes({"a": {"b": 1, "c": None}}, {"a": {"b": 2, "d": None}}) == [
        ("a.b", 1, 2),
        ("a.d", None, None),
        ("a.c", None, None),
    ]
