"""Rows that people labelled, in one file of either format, as benchmarks that ``evaluate`` reads."""

from pathlib import Path
from typing import Any

import yaml

from judgeforge.benchmarks.custom import SUFFIXES
from judgeforge.errors import InputError
from judgeforge.files import load_json_rows, write_json_lines, write_text
from judgeforge.grading.records import Format


def write_labelled(rows: Path, folder: Path) -> list[str]:
    """Write a benchmark of the direct rows and one of the pairwise ones, and return their YAML files.

    Args:
        rows: JSON Lines with the fields of docs/benchmarks.md, ``rubric`` and ``gold`` among them; or the YAML file of
            a benchmark, which is returned as it is.
        folder: where they go.

    Raises:
        InputError: there are no rows, or they cannot be read.
    """
    if rows.name.endswith(SUFFIXES):
        return [str(rows)]
    parts: dict[Format, list[dict[str, Any]]] = {"direct": [], "pairwise": []}
    for row in load_json_rows(rows):
        parts["pairwise" if "response_a" in row or "response_b" in row else "direct"].append(row)
    written = []
    for format, own in parts.items():
        if own:
            place = folder / f"labelled_{format}.yaml"
            write_json_lines(place.with_suffix(".jsonl"), own)
            document = {"name": place.stem, "layout": format, "file": f"{place.stem}.jsonl"}
            write_text(place, yaml.safe_dump(document, sort_keys=False))
            written.append(str(place))
    if not written:
        raise InputError(f"{rows} holds no rows.", "give one JSON object a line (docs/schedules.md).")
    return written
