"""Types of the section ``prepare.teacher``: who writes feedback, rubrics and reference answers that rows lack."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from judgeforge.params.section import Fraction, Positive, Section, Seed


class TeacherTemplates(Section):
    """What a teacher is asked by: each a shipped teacher template's name, or a file.

    Args:
        pairwise: asks for feedback on two responses.
        direct: asks for feedback on one.
        rubric: asks for a rubric.
        reference: asks for a reference answer.
    """

    pairwise: Annotated[str, Field(min_length=1)]
    direct: Annotated[str, Field(min_length=1)]
    rubric: Annotated[str, Field(min_length=1)]
    reference: Annotated[str, Field(min_length=1)]


class TeacherParams(Section):
    """The teacher (docs/teacher.md has examples).

    Args:
        kind: ``offline`` composes pairwise feedback from the single ones, without a model; ``endpoint`` asks a model;
            ``batch`` writes requests to files for OpenAI's batch service and takes in what comes back.
        endpoints: files of endpoint settings; several are addresses of one model. ``batch`` takes one.
        templates: what it is asked by.
        attempts: times that a row is asked until the verdict is the known one; then the row is dropped.
        seed: of the sampling; another one asks everything anew.
        temperature: 0 is greedy, which goes with one attempt only.
        top_p: nucleus sampling.
        max_new_tokens: limit of an answer.
        budget_tokens: prompt and answer tokens that may be spent on the model in all, by all endpoints and over all
            runs of one answer cache. None: no limit.
        max_dropped_share: of the rows of one task; with more, the stage fails.
        write_direct_feedback: write it for rows with a score and no text. Otherwise such rows are not used.
        write_rubrics: write one for instructions that have none.
        write_references: write a reference answer for instructions that have none.
        rubric_levels: scores of a rubric that is written.
    """

    kind: Literal["offline", "endpoint", "batch"]
    endpoints: tuple[Annotated[str, Field(min_length=1)], ...]
    templates: TeacherTemplates
    attempts: Positive
    seed: Seed
    temperature: Annotated[float, Field(ge=0)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    max_new_tokens: Positive
    budget_tokens: Positive | None
    max_dropped_share: Fraction
    write_direct_feedback: bool
    write_rubrics: bool
    write_references: bool
    rubric_levels: Annotated[int, Field(ge=2, le=10)]

    @model_validator(mode="after")
    def _fits_together(self) -> "TeacherParams":
        if len(set(self.endpoints)) < len(self.endpoints):
            raise ValueError("endpoints names a file twice")
        if self.kind == "endpoint" and not self.endpoints:
            raise ValueError("kind 'endpoint' needs at least one file in endpoints")
        if self.kind == "batch" and len(self.endpoints) != 1:
            raise ValueError("kind 'batch' needs one file in endpoints")
        if self.kind == "offline" and (self.write_direct_feedback or self.write_rubrics or self.write_references):
            raise ValueError("kind 'offline' composes pairwise feedback only: set all write_... to false")
        return self
