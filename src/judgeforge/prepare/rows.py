"""The frames that all parts of ``prepare`` share: graded rows, compared rows, and rows that were set aside."""

from dataclasses import dataclass
from typing import Any

import polars as pl

_Columns = dict[str, pl.DataType]
_TEXT = pl.String()

_OWNER: _Columns = {"row_id": _TEXT, "source": _TEXT, "line": pl.Int64(), "prompt_id": _TEXT}
_RUBRIC: _Columns = {"reference": _TEXT, "criteria": _TEXT, "levels": pl.List(_TEXT), "lowest": pl.Int64()}

GRADED = pl.Schema(
    {**_OWNER, "instruction": _TEXT, "response": _TEXT, **_RUBRIC, "feedback": _TEXT, "score": pl.Int64()}
)
"""One row a response as one grader saw it. Texts are stripped; ``reference`` and ``feedback`` may be null, the latter
where the teacher is to write it. ``line`` is the number of the row in its file, from 1; ``levels`` begin with that of
the score ``lowest``."""

COMPARED = pl.Schema(
    {
        **{**_OWNER, "instruction": _TEXT, "response_a": _TEXT, "response_b": _TEXT},
        **{**_RUBRIC, "feedback": _TEXT, "choice": _TEXT},
    }
)
"""One row a pair of responses with a feedback of its own; ``choice`` is A or B. Otherwise as ``GRADED``."""


@dataclass(frozen=True)
class QuarantinedRow:
    """A row that was set aside.

    Args:
        source: the name of its source; of a folder, with the file's path in it behind a slash.
        line: line of a JSON Lines file; number of the row in a JSON array or a Parquet file. From 1.
        reason: what is wrong, by the names of the user's columns.
        raw: the row, or its text where it could not be parsed (undecodable bytes replaced).
    """

    source: str
    line: int
    reason: str
    raw: Any
