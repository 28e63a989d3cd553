"""What a judge is asked, and what it answers, in both formats (Prometheus 2, section 3)."""

from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, StringConstraints

Format = Literal["direct", "pairwise"]
Choice = Literal["A", "B"]
Preference = Literal["A", "B", "tie"]
Message = dict[str, str]

NonBlank = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Scale(NamedTuple):
    """The whole scores of direct assessment, from ``lowest`` to ``highest``."""

    lowest: int
    highest: int

    @property
    def scores(self) -> range:
        """All scores, the lowest first."""
        return range(self.lowest, self.highest + 1)

    @property
    def middle(self) -> float:
        """What carries no information; between two scores where their number is even."""
        return (self.lowest + self.highest) / 2

    def describe(self) -> str:
        """Say it in words."""
        return f"{self.lowest} to {self.highest}"


FIVE_POINTS = Scale(1, 5)
"""The scale of the paper (section 3.1), and of whatever names none. It is left out where things are stored, so that
their text, and digests of it, are the same as before there were others."""

SCORES = tuple(FIVE_POINTS.scores)


def _is_five_points(scale: Scale) -> bool:
    return scale == FIVE_POINTS


StoredScale = Annotated[Scale, Field(exclude_if=_is_five_points)]
"""A scale as a field of what is stored."""


def list_verdicts(format: Format, scale: Scale) -> tuple[str, ...]:
    """List what can be chosen."""
    return tuple(map(str, scale.scores)) if format == "direct" else get_args(Choice)


class Rubric(BaseModel):
    """A score rubric: the question asked of a response and what each score means.

    Args:
        criteria: the question.
        levels: a description of each score, two or more, of the lowest first.
        lowest: the lowest score.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    criteria: NonBlank
    levels: Annotated[tuple[NonBlank, ...], Field(min_length=2)]
    lowest: Annotated[NonNegativeInt, Field(exclude_if=lambda lowest: lowest == FIVE_POINTS.lowest)] = (
        FIVE_POINTS.lowest
    )

    @property
    def scale(self) -> Scale:
        """The scores that it describes."""
        return Scale(self.lowest, self.lowest + len(self.levels) - 1)


class DirectItem(BaseModel):
    """One response to be scored.

    Args:
        item_id: unique within its set.
        prompt_id: the cluster of all intervals and tests: items of one instruction share it.
        reference: an answer that deserves the highest score, or None.
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
        score: of direct assessment, on the scale of the item's rubric.
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
        scale: of the item's rubric.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    example_id: str
    prompt_id: str
    format: Format
    messages: tuple[Message, ...]
    scale: StoredScale = FIVE_POINTS
