"""The protocol of all engines: conversations in, completions out, in any order, as they come."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from judgeforge.errors import InputError
from judgeforge.grading.parsing import JSON_MARKER
from judgeforge.grading.records import FIVE_POINTS, Format, Message, StoredScale
from judgeforge.params import EvaluateParams

PAPER_SAMPLING = {"temperature": 1.0, "top_p": 0.9, "repetition_penalty": 1.03}
"""Inference settings of the paper's figures (its appendix; upstream's ``eval/run_evaluate.py``)."""


class Sampling(BaseModel):
    """How text is drawn from a model.

    Args:
        max_new_tokens: limit of a completion.
        temperature: 0 is greedy.
        top_p: nucleus sampling.
        repetition_penalty: 1 is none.
        seed: of the sampling; sample k of a prompt draws from a stream of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_new_tokens: PositiveInt
    temperature: NonNegativeFloat
    top_p: Annotated[float, Field(gt=0, le=1)]
    repetition_penalty: PositiveFloat
    seed: NonNegativeInt


class Generation(Sampling):
    """How an engine decodes, the same for every engine.

    Args:
        max_prompt_tokens: a longer prompt is not run.
        expectation: report the probability of each possible verdict at the verdict's token.
        constrained: let nothing but a whole verdict follow the marker, and force the marker before the limit.
    """

    max_prompt_tokens: PositiveInt
    expectation: bool = False
    constrained: bool = False


def build_generation(params: EvaluateParams) -> Generation:
    """Say how engines decode by the section ``evaluate``; ``paper`` mode brings its own sampling."""
    values = params.model_dump(include=set(Generation.model_fields))
    return Generation.model_validate(values | (PAPER_SAMPLING if params.mode == "paper" else {}))


def check_closing(generation: Generation, marker: str) -> None:
    """Make sure that the closing verdict can be decoded as asked.

    Raises:
        InputError: a constraint on a JSON verdict, whose quotes would come between marker and verdict.
    """
    if generation.constrained and marker == JSON_MARKER:
        raise InputError(
            "A constrained verdict needs a judge that closes with a marker; this one closes as JSON.",
            "set evaluate.constrained to false.",
        )


class Conversation(BaseModel):
    """What is asked of a judge.

    Args:
        format: tells the engine when a verdict is complete.
        messages: system and user message.
        sample: counts the independent answers to one prompt from 0; a greedy engine gives the same to all.
        scale: of the scores that may be given; it does not matter to pairs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format
    messages: tuple[Message, ...]
    sample: NonNegativeInt = 0
    scale: StoredScale = FIVE_POINTS


class Completion(BaseModel):
    """A judge's own text.

    Args:
        text: without the prompt.
        prompt_tokens: length of the prompt.
        output_tokens: length of the text.
        finish: ``verdict`` (stopped after a whole verdict), ``end`` (end-of-turn token), ``length`` (cut off),
            ``prompt_too_long`` (never run) or ``refused`` (an endpoint would not answer it); text is empty for both.
        probabilities: of each possible verdict (a score, or ``A`` and ``B``) at the verdict's token, with sum 1; None
            where they were not asked for or no verdict was reached.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    prompt_tokens: int
    output_tokens: int
    finish: str
    probabilities: dict[str, float] | None = None


class Engine(Protocol):
    """A judge that can be asked."""

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        """Yield (index into ``conversations``, completion) as each is done; the order is the engine's own."""
        ...


class LocalEngine(Engine, Protocol):
    """A judge whose weights are run here."""

    def take_adapter(self, adapter: Path) -> bool:
        """Go on with another adapter of the same base; False where this engine cannot, and is as it was."""
        ...

    def close(self) -> None:
        """Let go of the weights; nothing is asked afterwards."""
        ...
