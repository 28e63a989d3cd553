"""From the options and files of ``judgeforge grade`` to the items that a judge is asked about."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from judgeforge.errors import InputError
from judgeforge.files import load_json_rows, read_text
from judgeforge.grading.records import DirectItem, Item, PairwiseItem, Rubric

_ITEM: TypeAdapter[DirectItem | PairwiseItem] = TypeAdapter(Item)
_SHOWN_FAULTS = 5


def load_rubric(path: Path) -> Rubric:
    """Load a rubric from a JSON or YAML file with ``criteria`` and ``levels`` (and ``lowest``, if not 1).

    Raises:
        InputError: not a rubric; the fault is named.
    """
    try:
        return Rubric.model_validate(yaml.safe_load(read_text(path)))
    except (ValidationError, yaml.YAMLError) as error:
        raise InputError(
            f"{path} is no rubric: {_describe(error)}.",
            "give criteria (the question) and levels (a description of each score, of the lowest first).",
        ) from error


def build_rubric(path: Path | None, criteria: str | None, levels: list[str], lowest: int) -> Rubric | None:
    """Build the rubric of the options: from a file, or from the question and its levels; None if none is given.

    Raises:
        InputError: both ways at once, fewer than two levels, or one that is empty.
    """
    if path is not None and (criteria or levels):
        raise InputError("--rubric and --criteria/--level together.", "give the one or the other.")
    if path is not None:
        return load_rubric(path)
    if criteria is None and not levels:
        return None
    if criteria is None or len(levels) < 2:
        raise InputError(
            f"A rubric needs --criteria and a --level for each score, and {len(levels)} --level are given.",
            "describe each score (five, unless the judge was trained for other scales), of the lowest first.",
        )
    try:
        return Rubric.model_validate({"criteria": criteria, "levels": levels, "lowest": lowest})
    except ValidationError as error:
        raise InputError(
            f"--criteria and --level are no rubric: {_describe(error)}.", "describe the question and each score."
        ) from error


def build_item(row: dict[str, Any], number: int, rubric: Rubric | None) -> DirectItem | PairwiseItem:
    """Build one item; two responses make it pairwise.

    Args:
        row: ``instruction``, ``response`` or ``response_a`` and ``response_b``; if wanted ``reference``, ``item_id``
            and ``rubric``.
        number: stands in for a missing ``item_id``.
        rubric: of rows without one.

    Raises:
        ValidationError: something is missing, unknown or empty.
    """
    fields = {name: value for name, value in row.items() if value is not None}
    fields.setdefault("item_id", str(number))
    fields.setdefault("prompt_id", fields["item_id"])
    fields.setdefault("format", "pairwise" if "response_a" in fields or "response_b" in fields else "direct")
    if rubric is not None:
        fields.setdefault("rubric", rubric)
    return _ITEM.validate_python(fields)


def build_single_item(row: dict[str, Any], rubric: Rubric | None) -> DirectItem | PairwiseItem:
    """Build the item of the options.

    Raises:
        InputError: an option is missing or empty.
    """
    if row.get("response_b") is not None:
        row = {**row, "response_a": row["response"], "response": None}
    try:
        return build_item(row, 1, rubric)
    except ValidationError as error:
        raise InputError(
            f"The item is not complete: {_describe(error)}.",
            "give --instruction, --response (and --response-b to compare two), and a rubric.",
        ) from error


def load_items(path: Path, rubric: Rubric | None) -> list[DirectItem | PairwiseItem]:
    """Load the items of a JSON Lines (or JSON) file; all of them or none.

    Raises:
        InputError: no rows, or rows that are no items: their numbers are named.
    """
    items, faults = [], []
    for number, row in enumerate(load_json_rows(path), start=1):
        try:
            items.append(build_item(row, number, rubric))
        except ValidationError as error:
            faults.append(f"row {number}: {_describe(error)}")
    if faults:
        more = f"; and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
        raise InputError(
            f"{len(faults)} of {len(items) + len(faults)} rows of {path} are no items: "
            f"{'; '.join(faults[:_SHOWN_FAULTS])}{more}.",
            "correct or delete them; nothing was graded.",
        )
    if not items:
        raise InputError(f"{path} holds no rows.", "give one JSON object a line.")
    return items


def _describe(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    formats = {"direct", "pairwise"}
    faults = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"] if part not in formats) or "the whole"
        message = {"missing": "is missing", "extra_forbidden": "is unknown"}.get(fault["type"], fault["msg"])
        faults.append(f"{key} {message}")
    return ", ".join(faults)
