"""Types of parts of the section ``prepare``: the template that is recovered, and the budget of tokens."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from judgeforge.params.section import Positive, Section


class RecoveryParams(Section):
    """A judge template recovered from the rows of public collections, which hold their rendered prompts.

    Args:
        name: in front of the digest that versions the recovered template.
        system: the system prompt, which those rows do not hold.
        completed_by: a shipped judge template's name, or a file: gives the format that no collection shows.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    system: str
    completed_by: str = Field(min_length=1)


class TokenBudgetParams(Section):
    """How long a rendered training row may be.

    Args:
        max_tokens: of the whole conversation, prompt and answer, by the base model's chat template. None: no limit.
        tokenizer: folder of the base model's tokenizer. None only without a limit.
        too_long: ``drop`` leaves such a row out; ``truncate`` cuts its response or responses at their beginning.
            Rubric, instruction, reference and verdict are never cut: a row too long even so is left out.
    """

    max_tokens: Positive | None
    tokenizer: Annotated[str, Field(min_length=1)] | None
    too_long: Literal["drop", "truncate"]

    @model_validator(mode="after")
    def _can_be_counted(self) -> "TokenBudgetParams":
        if self.max_tokens is not None and self.tokenizer is None:
            raise ValueError("max_tokens needs a tokenizer to count by: the base model's folder, such as models/base")
        return self
