from typing import Any

import pandas as pd
import pytest

from judgeforge.errors import InputError
from judgeforge.grading.records import DirectItem, PairwiseItem
from judgeforge.promote.frames import build_items

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
