"""From a data frame to items: which columns a registered judge reads, and which rows it refuses."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from pydantic import ValidationError

from judgeforge.errors import InputError
from judgeforge.grading.records import FIVE_POINTS, SCORES, DirectItem, PairwiseItem, Rubric

LOWEST_COLUMN = "lowest"
RUBRIC_COLUMNS = ("criteria", *(f"level_{score}" for score in SCORES))
REQUIRED_COLUMNS = ("instruction", *RUBRIC_COLUMNS)
OPTIONAL_COLUMNS = ("response", "response_a", "response_b", "reference")
_MOST_LEVELS = 11
"""A model in MLflow names its columns beforehand: so many scores, 0 to 10, have one."""


def list_columns(any_scale: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List the columns that a frame must have, and those that it may.

    Args:
        any_scale: the judge's template takes rubrics of any scale: two levels or more, of the score ``lowest`` first.
    """
    if not any_scale:
        return REQUIRED_COLUMNS, OPTIONAL_COLUMNS
    levels = tuple(f"level_{number}" for number in range(1, _MOST_LEVELS + 1))
    return ("instruction", "criteria", *levels[:2]), (*OPTIONAL_COLUMNS, *levels[2:], LOWEST_COLUMN)


def build_example() -> pd.DataFrame:
    """Build a frame of one direct and one pairwise item, which every judge can grade."""
    levels = ("No number.", "10 or below.", "Above 10, but no prime.", "A prime, with a wrong remark.", "A prime.")
    asked = {"instruction": "Name a prime above 10.", "criteria": "Is the number a prime above 10?"}
    asked |= {f"level_{score}": level for score, level in zip(SCORES, levels, strict=True)}
    direct = {"response": "Twelve.", "response_a": None, "response_b": None, "reference": "13."}
    pairwise = {"response": None, "response_a": "Twelve.", "response_b": "13.", "reference": None}
    return pd.DataFrame([asked | direct, asked | pairwise])


def build_items(frame: pd.DataFrame, *, any_scale: bool = False) -> list[DirectItem | PairwiseItem]:
    """Read one item from each row.

    Args:
        frame: columns as in ``list_columns``.
        any_scale: see there.

    Raises:
        InputError: a column is missing, or a row is neither a direct nor a pairwise item; the row is named.
    """
    required, optional = list_columns(any_scale)
    missing = [name for name in required if name not in frame.columns]
    if missing:
        raise InputError(
            f"The data frame has no column {', '.join(missing)}.", f"give the columns {', '.join(required)}."
        )
    columns = (*required, *optional)
    return [_build_item(number, row, columns) for number, row in enumerate(frame.to_dict("records"))]


def _build_item(number: int, row: dict[Any, Any], columns: Sequence[str]) -> DirectItem | PairwiseItem:
    given = {name: row[name] for name in columns if not _is_blank(row.get(name))}
    responses = [name for name in ("response", "response_a", "response_b") if name in given]
    if responses not in (["response"], ["response_a", "response_b"]):
        raise InputError(
            f"Row {number} of the data frame has {', '.join(responses) or 'no response'}.",
            "give either response, or response_a and response_b.",
        )
    try:
        rubric = _build_rubric(given, columns)
        fields = {name: given[name] for name in (*responses, "reference") if name in given}
        fields |= {"item_id": str(number), "prompt_id": str(number), "instruction": given.get("instruction", "")}
        return DirectItem(rubric=rubric, **fields) if len(responses) == 1 else PairwiseItem(rubric=rubric, **fields)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise InputError(f"Row {number} of the data frame: {place}: {fault['msg']}.", "correct that cell.") from error


def _build_rubric(given: dict[str, Any], columns: Sequence[str]) -> Rubric:
    levels = [name for name in columns if name.startswith("level_")]
    if LOWEST_COLUMN in columns:
        last = max((place for place, name in enumerate(levels) if name in given), default=0)
        levels = levels[: max(last + 1, 2)]
    return Rubric(
        criteria=given.get("criteria", ""),
        levels=tuple(given.get(name, "") for name in levels),
        lowest=given.get(LOWEST_COLUMN, FIVE_POINTS.lowest),
    )


def _is_blank(value: Any) -> bool:
    """A cell without a value: None, or the NaN that pandas puts in its place. An empty response is a value."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
