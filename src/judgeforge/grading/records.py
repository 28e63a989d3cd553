"""What a judge is asked, and what it answers, in both formats (Prometheus 2, section 3)."""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Format = Literal["direct", "pairwise"]
Choice = Literal["A", "B"]
Preference = Literal["A", "B", "tie"]
Message = dict[str, str]

NonBlank = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

SCORES = (1, 2, 3, 4, 5)
"""The scale of direct assessment (paper, section 3.1)."""

VERDICTS: dict[Format, tuple[str, ...]] = {"direct": tuple(map(str, SCORES)), "pairwise": get_args(Choice)}
"""What can be chosen, by format."""


class Rubric(BaseModel):
    """A score rubric: the question asked of a response and what each score from 1 to 5 means.

    Args:
        criteria: the question.
        levels: five descriptions, of score 1 first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    criteria: NonBlank
    levels: tuple[NonBlank, NonBlank, NonBlank, NonBlank, NonBlank]


class DirectItem(BaseModel):
    """One response to be scored from 1 to 5.

    Args:
        item_id: unique within its set.
        prompt_id: the cluster of all intervals and tests: items of one instruction share it.
        reference: an answer that deserves a 5, or None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["direct"] = "direct"
    item_id: str
    prompt_id: str
    instruction: NonBlank
    response: str
    reference: NonBlank | None = None
    rubric: Rubric


class PairwiseItem(BaseModel):
    """Two responses of which the better is to be named, A or B. Other fields as in ``DirectItem``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["pairwise"] = "pairwise"
    item_id: str
    prompt_id: str
    instruction: NonBlank
    response_a: str
    response_b: str
    reference: NonBlank | None = None
    rubric: Rubric


Item = Annotated[DirectItem | PairwiseItem, Field(discriminator="format")]


class Verdict(BaseModel):
    """A parsed judgement: the feedback, and a score or a choice. None means that none could be parsed.

    Args:
        feedback: the text before the closing marker (all of it where there is no marker).
        score: of direct assessment, 1 to 5.
        choice: of pairwise ranking; a tie only in verdicts recorded elsewhere: no judge here is taught to say it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feedback: str
    score: int | None = None
    choice: Preference | None = None

    @property
    def parsed(self) -> bool:
        """Whether a score or a choice was found."""
        return self.score is not None or self.choice is not None


class TrainingExample(BaseModel):
    """One row of a training set: the conversation whose last message, the judge's, is what is learnt.

    Args:
        prompt_id: the instruction it belongs to; a split never parts rows of one ``prompt_id``.
        messages: system, user and assistant messages, in that order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    example_id: str
    prompt_id: str
    format: Format
    messages: tuple[Message, ...]
