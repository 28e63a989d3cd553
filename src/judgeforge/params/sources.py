"""Types of ``prepare.sources``: where graded responses come from, and in which columns they stand."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, model_validator

from judgeforge.params.section import Section

Name = Annotated[str, Field(min_length=1)]


class Constant(Section):
    """What all rows of a source share, where the export has no column for it.

    Args:
        value: a text; a list of texts for ``levels``.
    """

    value: Name | Annotated[tuple[Name, ...], Field(min_length=2)]


Column = Name | Constant


class _Columns(Section):
    criteria: Column | None
    levels: Column | Annotated[tuple[Name, ...], Field(min_length=2)] | None

    @model_validator(mode="after")
    def _has_a_whole_rubric_or_none(self) -> Self:
        if (self.criteria is None) != (self.levels is None):
            raise ValueError("criteria and levels are one rubric: name columns for both, or for neither")
        return self


class FeedbackColumns(_Columns):
    """The columns of graded responses, one response a row.

    Args:
        id: the row's own id, by which it can be withdrawn; None: SOURCE:LINE.
        instruction: what was asked.
        response: what was answered.
        reference: an answer that deserves the highest score; None: there is none.
        criteria: the question that the rubric asks of a response; None, as for ``levels``: the teacher is to write it.
        levels: what each score means, of the lowest first: one column a level, or one column that holds a list.
        feedback: the grader's text; None: the teacher is to write it.
        score: a whole number of the scale, as a number or as text.
        lowest: the score of the first level; the other levels follow it one by one. 1 where it is left out.
    """

    id: Name | None
    instruction: Column
    response: Name
    reference: Column | None
    feedback: Name | None
    score: Name
    lowest: NonNegativeInt = 1


class PreferenceColumns(_Columns):
    """The columns of compared responses, a pair a row. Those not named here are as in ``FeedbackColumns``.

    Args:
        response_a: the first response.
        response_b: the second one.
        feedback: the text that compares the two.
        preference: A or B, the better one.
    """

    id: Name | None
    instruction: Column
    response_a: Name
    response_b: Name
    reference: Column | None
    feedback: Name
    preference: Name
    lowest: NonNegativeInt = 1


Layout = Literal["feedback_collection", "preference_collection"]
_LEVELS = tuple(f"orig_score{score}_description" for score in range(1, 6))
FEEDBACK_COLLECTION = FeedbackColumns(
    id=None,
    instruction="orig_instruction",
    response="orig_response",
    reference="orig_reference_answer",
    criteria="orig_criteria",
    levels=_LEVELS,
    feedback="orig_feedback",
    score="orig_score",
)
PREFERENCE_COLLECTION = PreferenceColumns(
    id=None,
    instruction="orig_instruction",
    response_a="orig_response_A",
    response_b="orig_response_B",
    reference="orig_reference_answer",
    criteria="orig_criteria",
    levels=_LEVELS,
    feedback="orig_feedback",
    preference="orig_preference",
)


class _Source(Section):
    name: str = Field(pattern=r"^[\w.-]+$")
    weight: Annotated[float, Field(gt=0, le=100)]
    licence: Annotated[Name | None, Field(exclude_if=lambda licence: licence is None)] = None


class EmbeddedSource(_Source):
    """The collection that judgeforge generates (``prepare.embedded`` has its size).

    Args:
        name: what its rows are called after.
        weight: see ``FileSource``.
    """

    kind: Literal["embedded"]

    @property
    def layout(self) -> FeedbackColumns:
        """The columns of its rows."""
        return FEEDBACK_COLLECTION


class _WithColumns(_Source):
    columns: Layout | FeedbackColumns | PreferenceColumns

    @property
    def layout(self) -> FeedbackColumns | PreferenceColumns:
        """The columns of its rows."""
        if isinstance(self.columns, str):
            return FEEDBACK_COLLECTION if self.columns == "feedback_collection" else PREFERENCE_COLLECTION
        return self.columns


class FileSource(_WithColumns):
    """Files of the user's.

    Args:
        name: what its rows are called after, in ids and in the quarantine.
        path: a JSON, JSON Lines or Parquet file, whatever its ending, or a folder of them.
        columns: the name of a public collection's layout, or a mapping from our names to the columns'.
        weight: how much of it is taken. Of w, the whole part is how often each of its training examples is written;
            the rest is the share of its instructions, drawn by seed, of which each is written once more. So 1 takes
            everything once, 0.25 a quarter of the instructions with all their rows, 2.5 everything twice and half
            of it a third time. Validation has each example once. A pair of two sources counts as the lesser one's.
        licence: of the rows, for the data card; it may be left out.
        may_be_empty: a source without a row is none, and is told; otherwise it is refused, as a file that was cut off
            would be trained without in silence. False where it is left out.
    """

    kind: Literal["file"]
    path: Name
    may_be_empty: Annotated[bool, Field(exclude_if=lambda allowed: not allowed)] = False


class HubSource(_WithColumns):
    """A data set on the Hugging Face hub. Other fields as in ``FileSource``.

    Args:
        repository: OWNER/NAME.
        revision: the commit, in full, so that a later change there changes nothing here.
        split: ``train`` or what the data set calls it.
    """

    kind: Literal["hub"]
    repository: str = Field(pattern=r"^[\w.-]+(/[\w.-]+)?$")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    split: Name


Source = Annotated[EmbeddedSource | FileSource | HubSource, Field(discriminator="kind")]
