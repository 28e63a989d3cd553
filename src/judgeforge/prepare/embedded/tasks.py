"""The shape of an embedded task, and how its five responses get their final length and form.

Every family states the same severity: 5 all right, 4 one flaw of form, 3 one required part missing, 2 the main content
wrong, 1 the task not addressed. A neutral remark may lengthen any response, so that length says nothing of the score.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Flaw = Callable[[random.Random, str], tuple[str, str]]
"""From a sound text to a careless one, and the words that name the flaw."""

T = TypeVar("T")

_SHORTEST_TARGET, _LONGEST_TARGET = 10, 29
"""Words; drawn alike for all scores."""


@dataclass(frozen=True)
class Draft:
    """A response before its length is settled.

    Args:
        text: what it says.
        feedback: what a grader says of it.
        flaw: applied at the end, to the lengthened text; the flaw's name is appended to the feedback.
    """

    text: str
    feedback: str
    flaw: Flaw | None = None


@dataclass(frozen=True)
class Task:
    """One instruction with its rubric, reference and drafts.

    Args:
        topic: what it is about, to complete "The task is about ...".
        levels: rubric descriptions, of score 1 first.
        drafts: of scores 1 to 5, in that order.
        remarks: sentences that change no score.
    """

    topic: str
    instruction: str
    criteria: str
    levels: tuple[str, str, str, str, str]
    reference: str
    drafts: tuple[Draft, Draft, Draft, Draft, Draft]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Response:
    """A finished response and its feedback."""

    text: str
    feedback: str


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """Draw one of ``options``."""
    return options[rng.randrange(len(options))]


def compare(rng: random.Random, got: str, source: str, wanted: str, conclusion: str) -> str:
    """Write feedback that sets what a response has beside what it should have, then concludes."""
    opening = pick(rng, ("It has {got}", "It gives {got}", "The response has {got}", "The response gives {got}"))
    return f"{opening.format(got=got)}; {source} has {wanted}, {conclusion}."


def finish(draft: Draft, remarks: tuple[str, ...], rng: random.Random) -> Response:
    """Lengthen ``draft`` by remarks to a length drawn without regard to its score, then apply its flaw."""
    target = rng.randint(_SHORTEST_TARGET, _LONGEST_TARGET)
    before: list[str] = []
    after: list[str] = []
    words = len(draft.text.split())
    for remark in rng.sample(remarks, len(remarks)):
        grown = words + len(remark.split())
        if grown > target + 2:
            continue
        (before if rng.random() < 0.3 and not before else after).append(remark)
        words = grown
    text = " ".join([*before, draft.text, *after])
    if draft.flaw is None:
        return Response(text, draft.feedback)
    flawed, name = draft.flaw(rng, text)
    return Response(flawed, f"{draft.feedback.removesuffix('.')}, but {name}.")
