"""The table of verdicts: one row an answer, with its raw text. Metrics are computed from it alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from judgeforge.errors import InputError
from judgeforge.files import hash_file, load_json, write_atomically
from judgeforge.grading.records import FIVE_POINTS, Format, Preference

VERDICTS_FILE = "verdicts.parquet"
METRICS_FILE = "metrics.json"

Mode = Literal["clean", "paper"]
Origin = Literal["model", "endpoint", "recorded", "reference"]
"""Where an evaluation's answers came from: weights run here, an endpoint, a file of verdicts, a trivial judge."""
Method = Literal["direct", "pairwise", "direct_for_pairwise"]
Order = Literal["", "given", "swapped", "a", "b"]

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "judge": pl.String,
    "mode": pl.String,
    "benchmark": pl.String,
    "format": pl.String,
    "method": pl.String,
    "order": pl.String,
    "sample": pl.Int64,
    "item_id": pl.String,
    "prompt_id": pl.String,
    "group": pl.String,
    "contaminated": pl.Boolean,
    "gold_score": pl.Float64,
    "graders": pl.List(pl.Float64),
    "gold_choice": pl.String,
    "score": pl.Int64,
    "expected_score": pl.Float64,
    "choice": pl.String,
    "feedback": pl.String,
    "raw_text": pl.String,
    "prompt_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "finish": pl.String,
    "lengths": pl.List(pl.Int64),
    "responses": pl.List(pl.String),
    "lowest": pl.Int64,
    "highest": pl.Int64,
}


class VerdictRow(BaseModel):
    """One answer of a judge.

    Args:
        mode: see docs/judging.md.
        format: of the benchmark.
        method: how it was judged; ``direct_for_pairwise`` grades the responses of a pair one by one.
        order: pairwise: ``given`` or ``swapped``; direct for pairwise: the response that was graded; else "".
        sample: counts independent answers to one prompt from 0.
        contaminated: the audit found its prompt in the training set; metrics leave it out.
        gold_score: the mean of the graders (direct); None in pairwise rows.
        graders: the graders' single scores, where known.
        gold_choice: ``A``, ``B`` or ``tie`` in the order given (pairwise); None in direct rows.
        score: the judge's score, None if unparsable or pairwise.
        expected_score: mean of the scores by their probabilities, where these were asked for.
        choice: the judge's choice in the order shown, None if unparsable or direct; ``tie`` only if recorded elsewhere.
        raw_text: the completion as it came.
        finish: see ``judgeforge.engines.protocol.Completion``.
        lengths: characters of the item's response, or of both in the order given.
        responses: digests of the same: equal texts have equal ones.
        lowest: score of the item's rubric.
        highest: likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: str
    mode: Mode
    benchmark: str
    format: Format
    method: Method
    order: Order
    sample: int
    item_id: str
    prompt_id: str
    group: str
    contaminated: bool
    gold_score: float | None
    graders: tuple[float, ...]
    gold_choice: Literal["A", "B", "tie"] | None
    score: int | None
    expected_score: float | None
    choice: Preference | None
    feedback: str
    raw_text: str
    prompt_tokens: int
    output_tokens: int
    finish: str
    lengths: tuple[int, ...]
    responses: tuple[str, ...]
    lowest: int = FIVE_POINTS.lowest
    highest: int = FIVE_POINTS.highest


def build_table(rows: Sequence[VerdictRow]) -> pl.DataFrame:
    """Build the table of ``rows``."""
    return pl.DataFrame([row.model_dump() for row in rows], schema=SCHEMA, orient="row")


def write_verdicts(rows: Sequence[VerdictRow], folder: Path) -> None:
    """Write the table into ``folder``, atomically."""
    frame = build_table(rows)
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
    if not {"lowest", "highest"} & set(frame.columns):
        # Written before there were other scales: the champion's verdicts may be.
        frame = frame.with_columns(
            lowest=pl.lit(FIVE_POINTS.lowest, pl.Int64), highest=pl.lit(FIVE_POINTS.highest, pl.Int64)
        )
    if dict(frame.schema) != SCHEMA:
        raise InputError(f"{path} has other columns than this version writes.", remedy)
    return frame


def load_evaluation(folder: Path) -> tuple[dict[str, Any], pl.DataFrame]:
    """Read an evaluation: its metrics file, and the verdicts that this was computed from.

    Raises:
        InputError: something is missing or broken, or the verdicts are those of another evaluation.
    """
    document, verdicts = load_json(folder / METRICS_FILE), load_verdicts(folder)
    if not isinstance(document, dict) or document.get("verdicts") != hash_file(folder / VERDICTS_FILE):
        raise InputError(
            f"{folder / METRICS_FILE} does not belong to the verdicts beside it.",
            f"evaluate again with 'dvc repro --force --single-item evaluate@{folder.name}' or 'judgeforge evaluate'.",
        )
    return document, verdicts
