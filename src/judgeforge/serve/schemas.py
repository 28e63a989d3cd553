"""What clients send and get: the items and verdicts of the contract, without what only files need."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from judgeforge.grading.records import Choice, DirectItem, PairwiseItem

_EXAMPLE_RUBRIC: dict[str, Any] = {
    "criteria": "Is the number a prime above 10?",
    "levels": ["No number.", "10 or below.", "Above 10, no prime.", "A prime, with a wrong remark.", "A prime."],
}
_INSTRUCTION: dict[str, Any] = {"instruction": "Name a prime above 10.", "rubric": _EXAMPLE_RUBRIC}


def _refuse_half_characters(value: Any) -> Any:
    """Refuse half a surrogate pair, which JSON can spell and no text can hold."""
    try:
        json.dumps(value, ensure_ascii=False, default=repr).encode()
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair is no character") from None
    return value


class DirectRequest(DirectItem):
    """One response to be scored.

    Args:
        item_id: given back with the verdict.
        prompt_id: not looked at.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_INSTRUCTION | {"response": "Twelve."}]})

    item_id: str = ""
    prompt_id: str = ""


class PairwiseRequest(PairwiseItem):
    """Two responses of which the better is to be named. Other fields as in ``DirectRequest``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [_INSTRUCTION | {"response_a": "Twelve.", "response_b": "13."}]}
    )

    item_id: str = ""
    prompt_id: str = ""


Direct = Annotated[DirectRequest, BeforeValidator(_refuse_half_characters)]
Pairwise = Annotated[PairwiseRequest, BeforeValidator(_refuse_half_characters)]


class _Graded(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str = Field(description="As in the request.")
    feedback: str = Field(description="The judge's words before its verdict.")
    parsed: bool = Field(description="Whether the judge gave a verdict. If not, the verdict is null; none is made up.")
    finish: str = Field(description="verdict, end (without one), or length (cut off).")
    prompt_tokens: int
    output_tokens: int
    model_version: str = Field(description="The registry's version of the judge, or its folder's name.")


class DirectVerdict(_Graded):
    """A judge's score."""

    score: int | None = Field(description="On the rubric's scale.")
    expected_score: float | None = Field(description="By the scores' probabilities; null unless evaluate.expectation.")


class PairwiseVerdict(_Graded):
    """A judge's choice."""

    choice: Choice | None = Field(description="The better response.")


class Problem(BaseModel):
    """Why a request was not answered."""

    detail: str = Field(description="What is wrong, and what to do.")


class Health(BaseModel):
    """How the service is."""

    status: Literal["live", "ready", "no worker"]
    model_version: str | None = None
    worker: int | None = Field(default=None, description="The worker's process.")


class Reload(BaseModel):
    """What came of the wish for a new judge."""

    status: Literal["started", "under way"]
    model_version: str | None = Field(description="What is served until the new judge is ready.")
