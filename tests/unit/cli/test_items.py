"""From options and files to items; what is no item is named by its row."""

import json
from pathlib import Path
from typing import Any

import pytest

from judgeforge.cli.items import build_rubric, build_single_item, load_items, load_rubric
from judgeforge.errors import InputError
from judgeforge.grading.records import DirectItem, PairwiseItem, Rubric

LEVELS = ["one", "two", "three", "four", "five"]
RUBRIC = Rubric(criteria="Is it right?", levels=("one", "two", "three", "four", "five"))


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "items.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_rubric_is_json_or_yaml(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rubric.{suffix}"
    path.write_text(
        json.dumps({"criteria": "Is it right?", "levels": LEVELS})
        if suffix == "json"
        else "criteria: Is it right?\nlevels: [one, two, three, four, five]\n"
    )
    assert load_rubric(path) == RUBRIC
    assert build_rubric(path, None, [], 1) == RUBRIC


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("criteria: x\nlevels: [one]", "levels Tuple should have at least 2 items"),
        ("levels: [one, two, three, four, five]", "criteria is missing"),
        ("criteria: x\nlevels: [one, two, three, four, ' ']", r"levels\.4 "),
        ("criteria: [", "is no rubric"),
        ("- x", "is no rubric: the whole"),
    ],
)
def test_what_is_no_rubric_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rubric.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_rubric(path)


def test_a_rubric_of_options_needs_the_question_and_its_levels(tmp_path: Path) -> None:
    assert build_rubric(None, "Is it right?", LEVELS, 1) == RUBRIC
    assert build_rubric(None, None, [], 1) is None
    verdict = build_rubric(None, "Is it right?", ["It is not.", "It is."], 0)
    assert verdict is not None and verdict.scale == (0, 1)
    for criteria, levels in (("x", LEVELS[:1]), (None, LEVELS), ("x", [])):
        with pytest.raises(InputError, match="a --level for each score"):
            build_rubric(None, criteria, levels, 1)
    with pytest.raises(InputError, match="--rubric and --criteria/--level together"):
        build_rubric(tmp_path / "rubric.yaml", "x", [], 1)


def test_one_response_is_scored_and_two_are_compared() -> None:
    row = {"instruction": "Add.", "response": "5", "response_b": None, "reference": None}
    direct = build_single_item(row, RUBRIC)
    assert isinstance(direct, DirectItem)
    assert direct.response == "5"
    pair = build_single_item(row | {"response_b": "6", "reference": "5"}, RUBRIC)
    assert isinstance(pair, PairwiseItem)
    assert (pair.response_a, pair.response_b, pair.reference) == ("5", "6", "5")


@pytest.mark.parametrize(
    ("row", "rubric", "message"),
    [
        ({"instruction": None, "response": "5"}, RUBRIC, "instruction is missing"),
        ({"instruction": " ", "response": "5"}, RUBRIC, "instruction String should have"),
        ({"instruction": "Add.", "response": None}, RUBRIC, "response is missing"),
        ({"instruction": "Add.", "response": "5"}, None, "rubric is missing"),
    ],
)
def test_an_incomplete_item_is_refused(row: dict[str, Any], rubric: Rubric | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_single_item(row, rubric)


def test_a_file_mixes_formats_and_a_row_may_bring_its_own_rubric(tmp_path: Path) -> None:
    own = {"criteria": "Is it short?", "levels": LEVELS}
    path = write_rows(
        tmp_path,
        [
            {"instruction": "Add.", "response": ""},
            {"item_id": "x", "instruction": "Add.", "response_a": "5", "response_b": "6", "rubric": own},
        ],
    )
    first, second = load_items(path, RUBRIC)
    assert (first.item_id, first.format, first.rubric) == ("1", "direct", RUBRIC)
    assert (second.item_id, second.format, second.rubric.criteria) == ("x", "pairwise", "Is it short?")


def test_every_bad_row_is_counted_and_the_first_are_named(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"instruction": "Add.", "response": "5"}, *[{"response": "5"}] * 6]
    rows[3] = {"instruction": "Add.", "response_a": "5"}
    with pytest.raises(InputError) as caught:
        load_items(write_rows(tmp_path, rows), RUBRIC)
    message = str(caught.value)
    assert "6 of 7 rows" in message
    assert "row 2: instruction is missing" in message
    assert "row 4: response_b is missing" in message
    assert "row 7" not in message
    assert "and 1 more" in message


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no rows"):
        load_items(write_rows(tmp_path, []), RUBRIC)


@pytest.mark.parametrize(("criteria", "levels", "place"), [(" ", LEVELS, "criteria"), ("x", ["", *LEVELS], "levels.0")])
def test_an_empty_part_of_a_rubric_of_options_is_named(criteria: str, levels: list[str], place: str) -> None:
    with pytest.raises(InputError, match=f"--criteria and --level are no rubric: {place} "):
        build_rubric(None, criteria, levels, 1)
