"""What a correction is: what a judge was asked, what it answered, and what a person says instead."""

import hashlib
import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, Strict, model_validator

from judgeforge.grading.records import Choice, DirectItem, NonBlank, PairwiseItem

_WHO_MOST = 200
_ID_LENGTH = 20
Row = dict[str, Any]
"""A row of the collection, in columns that ``prepare.sources`` can name."""


def _tell_formats_apart(value: Any) -> Any:
    """Let the responses say which format an item is of, as in ``judgeforge grade``."""
    if isinstance(value, dict) and "format" not in value:
        paired = "response_a" in value or "response_b" in value
        return value | {"format": "pairwise" if paired else "direct"}
    return value


class _DirectItem(DirectItem):
    item_id: str = ""
    prompt_id: str = ""


class _PairwiseItem(PairwiseItem):
    item_id: str = ""
    prompt_id: str = ""


_Item = Annotated[
    Annotated[_DirectItem | _PairwiseItem, Field(discriminator="format")], BeforeValidator(_tell_formats_apart)
]


class Judged(BaseModel):
    """The judge's answer as it came: of the service, or a row of ``judgeforge grade``; other keys are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    score: int | None = None
    choice: str | None = None
    feedback: str | None = None
    model_version: str = ""


class Correction(BaseModel):
    """One row of what people hand in.

    Args:
        item: what the judge was asked: instruction, response or response_a and response_b, rubric, and if there were
            any reference and item_id.
        judged: its answer.
        score: the person's, on the rubric's scale; of one response.
        choice: the better response, A or B; of two. There is no tie: it would teach nothing.
        feedback: why, in words that the judge is to learn. It may be left out where the person says what the judge
            said: then the judge's words stand.
        who: a name, or a pseudonym that stays the same.
        when: with its time zone. Of one person's corrections of one item, the latest counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    item: _Item
    judged: Judged | None = None
    score: Annotated[int, Strict()] | None = None
    choice: Choice | None = None
    feedback: NonBlank | None = None
    who: Annotated[NonBlank, Field(max_length=_WHO_MOST)]
    when: AwareDatetime

    @model_validator(mode="after")
    def _says_what_is_right(self) -> "Correction":
        if self.item.format == "direct":
            scale = self.item.rubric.scale
            if self.choice is not None or self.score is None or self.score not in scale.scores:
                raise ValueError(f"a response needs a score from {scale.describe()}, and no choice")
        elif self.score is not None or self.choice is None:
            raise ValueError("two responses need a choice, A or B, and no score")
        if self.find_feedback() is None:
            raise ValueError("feedback is missing: only where the judge's verdict is confirmed, its words are taken")
        return self

    def find_feedback(self) -> str | None:
        """Return the person's words, or the judge's where its verdict is confirmed; None: there are none to learn."""
        if self.feedback is not None or self.judged is None:
            return self.feedback
        confirmed = (self.judged.score, self.judged.choice) == (self.score, self.choice)
        return ((self.judged.feedback or "").strip() or None) if confirmed else None

    def name_file(self) -> str:
        """Name the file of the collection: a source of ``prepare`` has one format and one lowest score."""
        lowest = self.item.rubric.lowest
        return f"{self.item.format}{'' if lowest == 1 else f'-from-{lowest}'}.jsonl"

    def build_row(self) -> Row:
        """Build the row of the collection."""
        item, judged = self.item, self.judged or Judged()
        if isinstance(item, DirectItem):
            responses: Row = {"response": item.response}
            verdict: Row = {"score": self.score, "judged": judged.score}
        else:
            responses = {"response_a": item.response_a, "response_b": item.response_b}
            verdict = {"preference": self.choice, "judged": judged.choice}
        asked = {"instruction": item.instruction, **responses, "reference": item.reference}
        asked |= {"criteria": item.rubric.criteria, "levels": list(item.rubric.levels)}
        return {
            "id": _compute_id(item.format, item.rubric.lowest, asked, self.who),
            **asked,
            "feedback": self.find_feedback(),
            **verdict,
            "model_version": judged.model_version,
            "item_id": item.item_id,
            "who": self.who,
            "when": self.when.isoformat(),
        }


def _compute_id(format: str, lowest: int, asked: Row, who: str) -> str:
    """Name a row by what was asked and who answers, so that a later correction takes the place of an earlier one."""
    whole = json.dumps([format, lowest, asked, who], sort_keys=True, ensure_ascii=False)
    return f"correction-{hashlib.sha256(whole.encode()).hexdigest()[:_ID_LENGTH]}"


def read_time(row: Row) -> datetime:
    """Return when a row of the collection was corrected."""
    return datetime.fromisoformat(row["when"])
