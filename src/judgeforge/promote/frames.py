"""From a data frame to items: which columns a registered judge reads, and which rows it refuses."""

import math
from typing import Any

import pandas as pd
from pydantic import ValidationError

from judgeforge.errors import InputError
from judgeforge.grading.records import SCORES, DirectItem, PairwiseItem, Rubric

RUBRIC_COLUMNS = ("criteria", *(f"level_{score}" for score in SCORES))
REQUIRED_COLUMNS = ("instruction", *RUBRIC_COLUMNS)
OPTIONAL_COLUMNS = ("response", "response_a", "response_b", "reference")


def build_items(frame: pd.DataFrame) -> list[DirectItem | PairwiseItem]:
    """Read one item from each row.

    Raises:
        InputError: a column is missing, or a row is neither a direct nor a pairwise item; the row is named.
    """
    missing = [name for name in REQUIRED_COLUMNS if name not in frame.columns]
    if missing:
        raise InputError(
            f"The data frame has no column {', '.join(missing)}.", f"give the columns {', '.join(REQUIRED_COLUMNS)}."
        )
    return [_build_item(number, row) for number, row in enumerate(frame.to_dict("records"))]


def _build_item(number: int, row: dict[Any, Any]) -> DirectItem | PairwiseItem:
    given = {name: row[name] for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if not _is_blank(row.get(name))}
    responses = [name for name in ("response", "response_a", "response_b") if name in given]
    if responses not in (["response"], ["response_a", "response_b"]):
        raise InputError(
            f"Row {number} of the data frame has {', '.join(responses) or 'no response'}.",
            "give either response, or response_a and response_b.",
        )
    try:
        rubric = Rubric(
            criteria=given.get("criteria", ""), levels=tuple(given.get(name, "") for name in RUBRIC_COLUMNS[1:])
        )
        fields = {name: given[name] for name in (*responses, "reference") if name in given}
        fields |= {"item_id": str(number), "prompt_id": str(number), "instruction": given.get("instruction", "")}
        return DirectItem(rubric=rubric, **fields) if len(responses) == 1 else PairwiseItem(rubric=rubric, **fields)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise InputError(f"Row {number} of the data frame: {place}: {fault['msg']}.", "correct that cell.") from error


def _is_blank(value: Any) -> bool:
    """A cell without a value: None, or the NaN that pandas puts in its place. An empty response is a value."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
