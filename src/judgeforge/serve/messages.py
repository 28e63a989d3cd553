"""What the service and its worker say to each other: one JSON object a line, over a pair of sockets."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from judgeforge.grading.records import Item, Verdict
from judgeforge.params import EvaluateParams


class Message(BaseModel):
    """One line."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Job(Message):
    """The first line to the worker: which judge to load, and how it decodes."""

    model: Path
    base: Path | None
    params: EvaluateParams


class Ask(Message):
    """An item to grade; of a number that was asked before, it is not wanted any more if ``item`` is None."""

    number: int
    item: Item | None


class Ready(Message):
    """The worker's first line: the judge is loaded and has graded."""

    window: int
    """How many items to send ahead, so that it never waits for more."""


class Failed(Message):
    """The worker's last line: a fault with a known cause."""

    problem: str
    remedy: str
    lasting: bool


class Batch(Message):
    """So many items are read together now."""

    size: int


class Answer(Message):
    """A graded item, or the reason why it cannot be graded.

    Args:
        number: of the item.
        verdict: None if there is no completion.
        expected_score: by the verdict's probabilities, where these are asked for.
        finish: see ``judgeforge.engines.protocol.Completion``; empty where nobody wanted the answer any more.
        refusal: why this judge cannot be asked this.
        broken: the engine failed at this item for an unknown cause.
    """

    number: int
    verdict: Verdict | None = None
    expected_score: float | None = None
    finish: str = ""
    prompt_tokens: int = 0
    output_tokens: int = 0
    refusal: str | None = None
    broken: bool = False


Said = Ready | Failed | Batch | Answer
SAID: TypeAdapter[Said] = TypeAdapter(Said)
"""What a worker says; each is told by its fields."""


def encode(message: Message) -> bytes:
    """Write a message as a line."""
    return message.model_dump_json().encode() + b"\n"
