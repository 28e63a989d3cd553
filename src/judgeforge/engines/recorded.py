"""Verdicts from a file: published judgments of any judge, scored like those of one that runs here.

The file is JSON Lines, a row an answer; docs/recorded-verdicts.md describes it for whoever writes one.
"""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt, ValidationError, model_validator

from judgeforge.errors import InputError
from judgeforge.files import load_json_rows
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.records import FIVE_POINTS, Format, Scale, Verdict

GUIDE = "docs/recorded-verdicts.md shows a whole file"


class RecordedAnswer(BaseModel):
    """One answer, by what it is about and by exactly one of ``text``, ``score`` and ``choice``.

    Args:
        benchmark: the benchmark's name.
        item_id: the item's, as in ``judgeforge questions``.
        order: pairwise: ``given``, or ``swapped`` where the judge saw B first; its choice is then of what it saw.
        sample: counts answers to one question from 0.
        text: what the judge wrote, to be parsed; "" where it gave none, which counts as unparsable.
        score: on the scale of the item's rubric, fractions allowed.
        choice: ``A``, ``B`` or ``tie``.
        judge: a name that must be the one it is evaluated under.
        template: digest of the template that it was asked by; another than the one at hand is refused.
        question: digest of what was asked, as in ``judgeforge questions``; another is refused.
        feedback: shown in the report, where there is a score or choice.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    benchmark: str
    item_id: str
    order: Literal["given", "swapped", "a", "b", ""] = ""
    sample: NonNegativeInt = 0
    text: str | None = None
    score: FiniteFloat | None = None
    choice: Literal["A", "B", "tie"] | None = None
    judge: str | None = None
    template: str | None = None
    question: str | None = None
    feedback: str = ""

    @model_validator(mode="after")
    def _says_one_thing(self) -> "RecordedAnswer":
        given = [name for name in ("text", "score", "choice") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of text, score and choice, not {' and '.join(given) or 'none'}")
        return self

    def read(self, format: Format, marker: str, scale: Scale = FIVE_POINTS) -> tuple[Verdict, dict[str, float] | None]:
        """Return the verdict and, where the score is a fraction, the shares of its two neighbours.

        Raises:
            InputError: a score for a pair, a choice for a single response, or a score that is not on the scale.
        """
        if self.text is not None:
            return parse_verdict(self.text, format, marker, scale), None
        if (self.score is None) != (format == "pairwise"):
            raise InputError(
                f"The answer to {self.item_id} of {self.benchmark} is no {format} verdict.",
                "give a score for a response, and a choice for a pair.",
            )
        if self.score is None:
            return Verdict(feedback=self.feedback, choice=self.choice), None
        if not scale.lowest <= self.score <= scale.highest:
            raise InputError(
                f"The answer to {self.item_id} of {self.benchmark} has the score {self.score:g}, which is not from "
                f"{scale.describe()}.",
                f"correct it; {GUIDE}.",
            )
        share, lower = math.modf(self.score)
        shares = {str(score): 0.0 for score in scale.scores} | {str(int(lower)): 1 - share}
        shares |= {str(int(lower) + 1): share} if share else {}
        return Verdict(feedback=self.feedback, score=math.floor(self.score + 0.5)), shares if share else None


def load_recorded(path: Path) -> list[RecordedAnswer]:
    """Read the answers of a file.

    Raises:
        InputError: missing or broken file, or a row that is none (it is named).
    """
    answers = []
    for number, row in enumerate(load_json_rows(path), start=1):
        try:
            answers.append(RecordedAnswer.model_validate(row))
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(str(part) for part in fault["loc"]) or "row"
            raise InputError(f"Row {number} of {path}: {key}: {fault['msg']}.", f"correct it; {GUIDE}.") from error
    if not answers:
        raise InputError(f"{path} holds no answers.", f"{GUIDE}.")
    return answers


def count_benchmarks(path: Path) -> dict[str, int]:
    """Count a file's answers by the benchmark that they name."""
    return dict(Counter(answer.benchmark for answer in load_recorded(path)))


def check_identity(answers: Sequence[RecordedAnswer], path: Path, judge: str, template: str) -> None:
    """Make sure that answers are this judge's, to this template.

    Raises:
        InputError: one names another.
    """
    for number, answer in enumerate(answers, start=1):
        if answer.judge not in (None, judge):
            raise InputError(
                f"Row {number} of {path} is of the judge {answer.judge!r}, not {judge!r}.",
                f"evaluate it with --judge {answer.judge}, or name the file that you meant.",
            )
        if answer.template not in (None, template):
            raise InputError(
                f"Row {number} of {path} was asked by another judge template than the one at hand.",
                "name that template with --template; or delete the key, if you know what you do.",
            )
