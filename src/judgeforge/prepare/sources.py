"""Raw collections in the Feedback Collection's columns: JSON, JSON Lines or Parquet, told apart by content.

A bad row is set aside with its reason and costs nothing else; a file that is broken as a whole is an error.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from judgeforge.errors import InputError
from judgeforge.files import load_json
from judgeforge.grading.records import SCORES, NonBlank, Rubric

_SURROGATE = re.compile("[\ud800-\udfff]")
_PARQUET_MAGIC = b"PAR1"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class FeedbackRow(BaseModel):
    """One graded response. Other columns (``family``, ``response_source``, a rendered prompt) are ignored.

    Args:
        reference: an answer that deserves a 5; None where the column is blank or absent.
        score: a whole number from 1 to 5, as a number or as text.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    instruction: NonBlank = Field(alias="orig_instruction")
    response: str = Field(alias="orig_response")
    reference: NonBlank | None = Field(alias="orig_reference_answer", default=None)
    criteria: NonBlank = Field(alias="orig_criteria")
    level_1: NonBlank = Field(alias="orig_score1_description")
    level_2: NonBlank = Field(alias="orig_score2_description")
    level_3: NonBlank = Field(alias="orig_score3_description")
    level_4: NonBlank = Field(alias="orig_score4_description")
    level_5: NonBlank = Field(alias="orig_score5_description")
    feedback: NonBlank = Field(alias="orig_feedback")
    score: int = Field(alias="orig_score")

    @field_validator("*", mode="before")
    @classmethod
    def _can_be_written(cls, value: Any) -> Any:
        if isinstance(value, str) and _SURROGATE.search(value):
            raise ValueError("holds a lone surrogate, which UTF-8 cannot")
        return value

    @field_validator("response")
    @classmethod
    def _strip(cls, value: str) -> str:
        return value.strip()

    @field_validator("reference", mode="before")
    @classmethod
    def _blank_is_none(cls, value: Any) -> Any:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("score", mode="before")
    @classmethod
    def _is_on_the_scale(cls, value: Any) -> int:
        text = value.strip() if isinstance(value, str) else value
        for score in SCORES:
            if text == str(score) or (type(text) is int and text == score):
                return score
        raise ValueError(f"{value!r} is not a whole score from {SCORES[0]} to {SCORES[-1]}")

    @property
    def rubric(self) -> Rubric:
        """Criteria and levels together."""
        levels = (self.level_1, self.level_2, self.level_3, self.level_4, self.level_5)
        return Rubric(criteria=self.criteria, levels=levels)


@dataclass(frozen=True)
class QuarantinedRow:
    """A row that was set aside.

    Args:
        line: line of a JSON Lines file; number of the row in a JSON array or a Parquet file. From 1.
        raw: the row, or its text where it could not be parsed (undecodable bytes replaced).
    """

    line: int
    reason: str
    raw: Any


@dataclass
class Collection:
    """What was read: the good rows and the others, in file order."""

    rows: list[FeedbackRow] = field(default_factory=list)
    quarantined: list[QuarantinedRow] = field(default_factory=list)


def load_collection(path: Path) -> Collection:
    """Read and check every row of ``path``.

    Raises:
        InputError: the file is missing or empty, or is a JSON array or Parquet file that is broken as a whole.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Cannot read the collection {path}: {error.strerror}.", "correct prepare.source in params.yaml."
        ) from error
    content = content.removeprefix(_BYTE_ORDER_MARK)
    if content.startswith(_PARQUET_MAGIC) or (content and path.suffix == ".parquet"):
        return parse_rows(enumerate(_load_parquet(path), start=1))
    if content.lstrip().startswith(b"["):
        return parse_rows(enumerate(load_json(path), start=1))
    if not content.strip():
        raise InputError(f"The collection {path} is empty.", "name one with rows in prepare.source in params.yaml.")
    return _parse_lines(content)


def parse_rows(numbered: Iterable[tuple[int, Any]]) -> Collection:
    """Check rows that are parsed already, each with its number."""
    collection = Collection()
    for number, raw in numbered:
        _add(collection, number, raw)
    return collection


def require_usable(collection: Collection, source: str, quarantine: Path) -> None:
    """Check that enough of the rows are good.

    Raises:
        InputError: none is, or more than half are bad.
    """
    bad, total = len(collection.quarantined), len(collection.quarantined) + len(collection.rows)
    if not total:
        raise InputError(f"The collection {source} has no row.", "name one with rows in prepare.source in params.yaml.")
    if 2 * bad <= total:
        return
    first = collection.quarantined[0]
    amount = f"{bad} of the {total} rows" if collection.rows else f"All {total} rows"
    raise InputError(
        f"{amount} of {source} are bad; the first, line {first.line}: {first.reason}.",
        f"see {quarantine} for all of them, then repair the rows or name another prepare.source.",
    )


def _add(collection: Collection, number: int, raw: Any) -> None:
    if not isinstance(raw, dict):
        collection.quarantined.append(QuarantinedRow(number, "not a JSON object", _make_writable(raw)))
        return
    try:
        collection.rows.append(FeedbackRow.model_validate(raw))
    except ValidationError as error:
        reason = "; ".join(_explain(dict(fault)) for fault in error.errors(include_url=False))
        collection.quarantined.append(QuarantinedRow(number, reason, _make_writable(raw)))


def _explain(fault: dict[str, Any]) -> str:
    column = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing" or fault["input"] is None:
        return f"{column} is missing"
    if fault["type"] == "string_too_short":
        return f"{column} is blank"
    return f"{column}: {str(fault['msg']).removeprefix('Value error, ')}"


def _make_writable(raw: Any) -> Any:
    """Replace what UTF-8 cannot hold (lone surrogates) and what JSON cannot hold (dates, bytes)."""
    text = json.dumps(raw, ensure_ascii=False, default=str)
    return json.loads(text.encode("utf-8", "replace"))


def _parse_lines(content: bytes) -> Collection:
    collection = Collection()
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line.decode())
        except UnicodeDecodeError as error:
            reason = f"not UTF-8: byte {error.start} of the line cannot be decoded"
        except json.JSONDecodeError as error:
            reason = f"not valid JSON at column {error.colno}: {error.msg}"
        except (ValueError, RecursionError) as error:
            reason = f"not valid JSON: {error}"
        else:
            _add(collection, number, raw)
            continue
        collection.quarantined.append(QuarantinedRow(number, reason, line.decode("utf-8", "replace").strip()))
    return collection


def _load_parquet(path: Path) -> Iterator[dict[str, Any]]:
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            f"{path} is cut off or not a Parquet file.", "download or write it again, or name another prepare.source."
        ) from error
    return frame.iter_rows(named=True)
