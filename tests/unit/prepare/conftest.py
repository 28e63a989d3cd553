"""Rows in the Feedback Collection's columns, and the committed parameters of the stage."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judgeforge.params import PrepareParams, load_section

ROOT = Path(__file__).parents[3]
RawRow = dict[str, Any]


@pytest.fixture(scope="session")
def params() -> PrepareParams:
    return load_section("prepare", PrepareParams, ROOT / "params.yaml")


@pytest.fixture(scope="session")
def raw_row() -> Callable[..., RawRow]:
    def build(**changed: Any) -> RawRow:
        row = {
            "orig_instruction": "Name a colour.",
            "orig_response": "Blue.",
            "orig_reference_answer": "Red.",
            "orig_criteria": "Is it a colour?",
            **{f"orig_score{level}_description": f"level {level}" for level in range(1, 6)},
            "orig_feedback": "It names one.",
            "orig_score": "4",
        }
        return {key: value for key, value in (row | changed).items() if value is not ...}

    return build
