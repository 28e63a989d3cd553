"""The protocol of all engines: conversations in, completions out, in any order, as they come."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from judgeforge.grading.records import Format, Message


class Conversation(BaseModel):
    """What is asked of a judge: the format tells the engine when a verdict is complete."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format
    messages: tuple[Message, ...]


class Completion(BaseModel):
    """A judge's own text.

    Args:
        text: without the prompt.
        prompt_tokens: length of the prompt.
        output_tokens: length of the text.
        finish: ``verdict`` (stopped after a whole verdict), ``end`` (end-of-turn token), ``length`` (cut off) or
            ``prompt_too_long`` (never run; text is empty).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    prompt_tokens: int
    output_tokens: int
    finish: str


class Engine(Protocol):
    """A judge that can be asked."""

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        """Yield (index into ``conversations``, completion) as each is done; the order is the engine's own."""
        ...
