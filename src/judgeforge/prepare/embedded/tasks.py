"""The shape of an embedded task, and how its five responses get their final length and form.

Every family states the same severity: 5 all right, 4 one flaw of form, 3 one required part missing, 2 the main content
wrong, 1 the task not addressed. Neutral remarks lengthen all responses alike, so that length says nothing of the score.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Flaw = Callable[[random.Random, str], tuple[str, str]]
"""From a sound text to a careless one, and the words that name the flaw."""

Levels = tuple[str, str, str, str, str]
T = TypeVar("T")

SUBTLE_SHARE = 0.2
"""Share of the wrong responses whose error shows only beside the instruction: most are out of a small model's reach."""

_SPREAD_WORDS = (-9, 1)
"""A response is made about as long as the longest draft of its task, plus so many words."""


@dataclass(frozen=True)
class Draft:
    """A response before its length is settled.

    Args:
        text: what it says.
        finding: what a grader finds, as in "The steps are missing"; the score follows from it.
        flaw: applied at the end, to the lengthened text; the flaw's name is appended to the finding.
    """

    text: str
    finding: str
    flaw: Flaw | None = None


@dataclass(frozen=True)
class Wording:
    """The wordings of a family, all of them ``str.format`` templates over the drawn fields.

    Args:
        requests: instructions.
        criteria: questions of the rubric.
        levels: sets of five level descriptions, of score 1 first.
        evasions: responses that do not address the task.
        remarks: sentences that change no score, whatever response they stand in.
    """

    requests: tuple[str, ...]
    criteria: tuple[str, ...]
    levels: tuple[Levels, ...]
    evasions: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """One instruction with its rubric, reference answer and drafts, of score 1 first."""

    instruction: str
    criteria: str
    levels: Levels
    reference: str
    drafts: tuple[Draft, Draft, Draft, Draft, Draft]
    remarks: tuple[str, ...]

    def draw_length(self, rng: random.Random) -> int:
        """Draw a length in words, without regard to any score."""
        longest = max(len(draft.text.split()) for draft in self.drafts)
        return longest + rng.randint(*_SPREAD_WORDS)


@dataclass(frozen=True)
class Response:
    """A finished response and what a grader finds in it, as a sentence."""

    text: str
    finding: str

    @property
    def feedback(self) -> str:
        """The whole feedback."""
        return quote(self.text, self.finding)


class Family:
    """Draws the wordings of one task."""

    def __init__(self, wording: Wording, rng: random.Random, **fields: object) -> None:
        """Bind the family's wordings to one task.

        Args:
            wording: of the family.
            rng: of this task.
            fields: of the templates.
        """
        self._wording = wording
        self._rng = rng
        self._fields = fields

    def phrase(self, templates: Sequence[str], **changed: object) -> str:
        """Draw one of ``templates`` and fill it, with ``changed`` fields where a defect is planted."""
        return pick(self._rng, templates).format(**(self._fields | changed))

    def build_task(self, reference: str, *, wrong: Draft, partial: Draft, careless: Draft, sound: Draft) -> Task:
        """Put a task together from its reference answer and the drafts of scores 2 to 5."""
        evasion = Draft(self.phrase(self._wording.evasions), "The task is not done")
        return Task(
            instruction=self.phrase(self._wording.requests),
            criteria=self.phrase(self._wording.criteria),
            levels=pick(self._rng, self._wording.levels),
            reference=reference,
            drafts=(evasion, wrong, partial, careless, sound),
            remarks=tuple(self.phrase((remark,)) for remark in self._wording.remarks),
        )


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """Draw one of ``options``."""
    return options[rng.randrange(len(options))]


def finish(draft: Draft, remarks: tuple[str, ...], length: int, rng: random.Random) -> Response:
    """Lengthen ``draft`` by remarks to about ``length`` words, apply its flaw, and write what a grader finds."""
    before: list[str] = []
    after: list[str] = []
    words = len(draft.text.split())
    for remark in rng.sample(remarks, len(remarks)):
        if words + len(remark.split()) // 2 < length:
            words += len(remark.split())
            (after if before or rng.random() < 0.7 else before).append(remark)
    text = " ".join([*before, draft.text, *after])
    if draft.flaw is None:
        return Response(text, f"{draft.finding}.")
    flawed, name = draft.flaw(rng, text)
    return Response(flawed, f"{draft.finding}, but {name}.")


def quote(text: str, finding: str) -> str:
    """Write feedback: the response first, then what is found.

    A small model learns to find flaws in what it has just copied, where from the same rows without the quotation it
    learnt nothing (docs/experiments.md).
    """
    return f'It says "{text}" {finding}'
