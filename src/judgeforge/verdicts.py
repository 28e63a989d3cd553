"""The table of verdicts: one row an item judged, with the raw text. Metrics are computed from it alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from judgeforge.errors import InputError
from judgeforge.files import write_atomically
from judgeforge.grading.records import Choice, Format

VERDICTS_FILE = "verdicts.parquet"

SCHEMA = {
    "judge": pl.String,
    "benchmark": pl.String,
    "format": pl.String,
    "item_id": pl.String,
    "prompt_id": pl.String,
    "group": pl.String,
    "contaminated": pl.Boolean,
    "gold_score": pl.Int64,
    "gold_choice": pl.String,
    "score": pl.Int64,
    "choice": pl.String,
    "feedback": pl.String,
    "raw_text": pl.String,
    "prompt_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "finish": pl.String,
}


class VerdictRow(BaseModel):
    """One judged item.

    Args:
        contaminated: the audit found its prompt in the training set; metrics leave it out.
        gold_score: 1 to 5 (direct); None in pairwise rows.
        gold_choice: ``A``, ``B`` or ``tie`` (pairwise); None in direct rows.
        score: the judge's score, None if unparsable or pairwise.
        choice: the judge's choice, None if unparsable or direct.
        raw_text: the completion as it came.
        finish: see ``judgeforge.engines.protocol.Completion``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: str
    benchmark: str
    format: Format
    item_id: str
    prompt_id: str
    group: str
    contaminated: bool
    gold_score: int | None
    gold_choice: Literal["A", "B", "tie"] | None
    score: int | None
    choice: Choice | None
    feedback: str
    raw_text: str
    prompt_tokens: int
    output_tokens: int
    finish: str


def write_verdicts(rows: Sequence[VerdictRow], folder: Path) -> None:
    """Write the table into ``folder``, atomically."""
    frame = pl.DataFrame([row.model_dump() for row in rows], schema=SCHEMA, orient="row")
    with write_atomically(folder / VERDICTS_FILE) as handle:
        frame.write_parquet(handle)


def load_verdicts(folder: Path) -> pl.DataFrame:
    """Read the table from ``folder``.

    Raises:
        InputError: missing, cut off, or with other columns.
    """
    path = folder / VERDICTS_FILE
    remedy = "evaluate that judge again with 'dvc repro --force --single-item evaluate@JUDGE'."
    try:
        frame = pl.read_parquet(path)
    except FileNotFoundError as error:
        raise InputError(f"There are no verdicts at {path}.", remedy) from error
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is cut off or not a Parquet file.", remedy) from error
    if dict(frame.schema) != SCHEMA:
        raise InputError(f"{path} has other columns than this version writes.", remedy)
    return frame
