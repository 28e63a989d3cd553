"""What a teacher is asked for, and whether an answer will do: the known verdict is the check of a feedback's worth."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from judgeforge.grading.parsing import is_settled, parse_verdict
from judgeforge.grading.records import Format, Message, NonBlank, Scale
from judgeforge.grading.templates import fill
from judgeforge.prepare.feedback import TaskName
from judgeforge.prepare.teacher.templates import TeacherTemplate

_OPENING = re.compile(r"(?:^|\s+)[*_`#]+$")
"""What opens the marker's emphasis, as in ``**[RESULT] A**``."""

_RUBRIC = ("instruction", "criteria", "levels", "lowest")

Row = Mapping[str, Any]
Columns = dict[str, pl.DataType]
_FEEDBACK: Columns = {"feedback": pl.String()}
_REFERENCE: Columns = {"reference": pl.String()}
_CRITERIA: Columns = {"criteria": pl.String(), "levels": pl.List(pl.String())}
Result = Literal["agreed", "disagreed", "unparsable"]


@dataclass(frozen=True)
class Outcome:
    """What an answer is worth.

    Args:
        result: ``agreed``: it will do.
        values: what was written, by column; empty unless it will do.
    """

    result: Result
    values: dict[str, Any]


class Task(Protocol):
    """One thing to ask for."""

    @property
    def template(self) -> TeacherTemplate:
        """What it is asked by."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """Columns of the rows that are shown, or that answers are checked by."""
        ...

    @property
    def written(self) -> Columns:
        """Columns of what is written."""
        ...

    @property
    def format(self) -> Format | None:
        """Format of the closing verdict; None: the answer is JSON."""
        ...

    @property
    def schema(self) -> dict[str, Any] | None:
        """JSON schema of the answer; None: it closes with a verdict."""
        ...

    def render(self, row: Row) -> list[Message]:
        """Render what the teacher is asked about a row."""
        ...

    def check(self, row: Row, text: str, *, whole: bool) -> Outcome:
        """Check an answer.

        Args:
            row: what it is about.
            text: of the answer.
            whole: it ended by itself; otherwise it was cut off at the limit.
        """
        ...


@dataclass(frozen=True)
class FeedbackTask:
    """Feedback on one response or two, whose score or preference is known."""

    template: TeacherTemplate
    written = _FEEDBACK
    schema = None

    @property
    def format(self) -> Format:
        """Format of the closing verdict."""
        return "pairwise" if self.template.task == "pairwise" else "direct"

    @property
    def columns(self) -> Sequence[str]:
        """Columns of the rows."""
        own = ("response_a", "response_b", "choice") if self.format == "pairwise" else ("response", "score")
        return (*_RUBRIC, "reference", *own)

    def render(self, row: Row) -> list[Message]:
        """Render what the teacher is asked; neither the known verdict nor the single feedbacks are shown."""
        reference = row["reference"]
        fields = _render_rubric(row)
        fields["reference_section"] = fill(self.template.reference_section, {"reference": reference or ""})
        if not reference:
            fields["reference_section"] = ""
        if self.format == "pairwise":
            fields |= {"response_a": row["response_a"], "response_b": row["response_b"]}
        else:
            scale = _find_scale(row)
            fields |= {"response": row["response"], "lowest": str(scale.lowest), "highest": str(scale.highest)}
        return _render(self.template, fields)

    def check(self, row: Row, text: str, *, whole: bool) -> Outcome:
        """Compare the verdict with the known one; feedback that is empty or holds a marker is worth nothing."""
        marker = self.template.result_marker
        verdict = parse_verdict(text, self.format, marker, _find_scale(row))
        feedback = _OPENING.sub("", verdict.feedback)
        settled = whole or is_settled(text, marker)
        if not (settled and verdict.parsed and feedback) or marker in feedback:
            return Outcome("unparsable", {})
        agreed = verdict.choice == row["choice"] if self.format == "pairwise" else verdict.score == row["score"]
        return Outcome("agreed", {"feedback": feedback}) if agreed else Outcome("disagreed", {})


def _strip(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


_Text = Annotated[NonBlank, BeforeValidator(_strip)]
"""Separators such as U+001F are blank to Python and to a reader, but not to pydantic's own stripping."""


class _Reference(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reference: _Text


class _Rubric(BaseModel):
    model_config = ConfigDict(extra="forbid")

    criteria: _Text
    levels: list[_Text]


@dataclass(frozen=True)
class ReferenceTask:
    """The answer that deserves the highest score."""

    template: TeacherTemplate
    columns = _RUBRIC
    written = _REFERENCE
    format = None

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer."""
        return _list_all_required({"reference": {"type": "string"}})

    def render(self, row: Row) -> list[Message]:
        """Render what the teacher is asked."""
        return _render(self.template, _render_rubric(row))

    def check(self, row: Row, text: str, *, whole: bool) -> Outcome:
        """Take what is a JSON object with a reference in it."""
        return _check_object(text, _Reference)


@dataclass(frozen=True)
class RubricTask:
    """A question and what each score means.

    Args:
        count: of the levels.
    """

    template: TeacherTemplate
    count: int
    columns = ("instruction",)
    written = _CRITERIA
    format = None

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer."""
        levels = {"type": "array", "items": {"type": "string"}, "minItems": self.count, "maxItems": self.count}
        return _list_all_required({"criteria": {"type": "string"}, "levels": levels})

    def render(self, row: Row) -> list[Message]:
        """Render what the teacher is asked."""
        return _render(self.template, {"instruction": row["instruction"], "count": str(self.count)})

    def check(self, row: Row, text: str, *, whole: bool) -> Outcome:
        """Take what is a JSON object with a question and as many different levels as were asked for."""
        outcome = _check_object(text, _Rubric)
        levels = outcome.values.get("levels", [])
        return outcome if len(levels) == len(set(levels)) == self.count else Outcome("unparsable", {})


def build_task(name: TaskName, template: TeacherTemplate, rubric_levels: int) -> Task:
    """Build the task of a name."""
    if name == "rubric":
        return RubricTask(template, rubric_levels)
    return ReferenceTask(template) if name == "reference" else FeedbackTask(template)


def _render(template: TeacherTemplate, fields: dict[str, str]) -> list[Message]:
    user = {"role": "user", "content": fill(template.user, fields)}
    return [{"role": "system", "content": template.system}, user]


def _find_scale(row: Row) -> Scale:
    return Scale(row["lowest"], row["lowest"] + len(row["levels"]) - 1)


def _render_rubric(row: Row) -> dict[str, str]:
    levels = "\n".join(f"Score {score}: {level}" for score, level in enumerate(row["levels"], start=row["lowest"]))
    return {"instruction": row["instruction"], "criteria": row["criteria"], "levels": levels}


def _list_all_required(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _check_object(text: str, kind: type[BaseModel]) -> Outcome:
    """Read the first JSON object of a text: models like to put it between fences, or a sentence before it."""
    start = text.find("{")
    try:
        document, _ = json.JSONDecoder().raw_decode(text, start) if start >= 0 else (None, 0)
        return Outcome("agreed", kind.model_validate(document).model_dump())
    except (ValidationError, ValueError, RecursionError):
        return Outcome("unparsable", {})
