from typing import Any

import pandas as pd
import pytest

from judgeforge.errors import InputError
from judgeforge.grading.records import DirectItem, PairwiseItem
from judgeforge.promote.frames import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, build_items, list_columns

ROW: dict[str, Any] = {"instruction": "Add 1 and 1.", "criteria": "Is it right?"}
ROW |= {f"level_{score}": f"level {score}" for score in range(1, 6)}


def test_a_frame_may_mix_both_formats_and_leave_the_reference_out() -> None:
    frame = pd.DataFrame(
        [
            ROW | {"response": "2", "reference": "It is 2."},
            ROW | {"response_a": "2", "response_b": "3"},
            ROW | {"response": "", "reference": None},
        ]
    )
    direct, pairwise, empty = build_items(frame)
    assert isinstance(direct, DirectItem)
    assert (direct.response, direct.reference, direct.rubric.levels[4]) == ("2", "It is 2.", "level 5")
    assert isinstance(pairwise, PairwiseItem)
    assert (pairwise.response_a, pairwise.response_b, pairwise.reference) == ("2", "3", None)
    assert isinstance(empty, DirectItem)
    assert empty.response == ""


@pytest.mark.parametrize("column", ["criteria", "level_3", "instruction"])
def test_a_missing_column_is_named(column: str) -> None:
    frame = pd.DataFrame([ROW | {"response": "2"}]).drop(columns=column)
    with pytest.raises(InputError, match=f"no column {column}"):
        build_items(frame)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({}, "Row 0 of the data frame has no response"),
        ({"response_a": "2"}, "Row 0 of the data frame has response_a"),
        ({"response": "2", "response_a": "2", "response_b": "3"}, "has response, response_a, response_b"),
        ({"response": "2", "level_2": None}, "Row 0 of the data frame: levels.1"),
        ({"response": "2", "instruction": "  "}, "Row 0 of the data frame: instruction"),
    ],
)
def test_a_row_that_is_no_item_is_named(cells: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        build_items(pd.DataFrame([ROW | cells]))


def test_a_judge_of_every_scale_takes_as_many_levels_as_there_are() -> None:
    rows = [
        {"instruction": "Add.", "criteria": "Right?", "level_1": "no", "level_2": "yes", "lowest": 0, "response": "2"},
        {"instruction": "Add.", "criteria": "Good?", "response": "2", "lowest": 1}
        | {f"level_{number}": f"grade {number}" for number in range(1, 11)},
    ]
    two, ten = build_items(pd.DataFrame(rows), any_scale=True)
    assert (two.rubric.scale, two.rubric.levels) == ((0, 1), ("no", "yes"))
    assert (ten.rubric.scale, ten.rubric.levels[9]) == ((1, 10), "grade 10")
    (five,) = build_items(pd.DataFrame([ROW | {"response": "2"}]), any_scale=True)
    assert five.rubric == build_items(pd.DataFrame([ROW | {"response": "2"}]))[0].rubric
    for cells, said in (({"level_3": None}, r"Row 0 of the data frame: levels\.2"), ({"lowest": -1}, "lowest")):
        with pytest.raises(InputError, match=said):
            build_items(pd.DataFrame([ROW | {"response": "2"} | cells]), any_scale=True)
    with pytest.raises(InputError, match="no column level_2"):
        build_items(pd.DataFrame([ROW | {"response": "2"}]).drop(columns="level_2"), any_scale=True)
    # A judge of five points reads no other columns.
    assert build_items(pd.DataFrame([ROW | {"response": "2", "lowest": 0, "level_6": "6"}]))[0].rubric == five.rubric


def test_the_columns_of_a_judge_of_five_points_are_as_ever() -> None:
    assert list_columns(False) == (REQUIRED_COLUMNS, OPTIONAL_COLUMNS)
    required, optional = list_columns(True)
    assert required == ("instruction", "criteria", "level_1", "level_2")
    assert {"level_3", "level_11", "lowest", "reference"} <= set(optional)
