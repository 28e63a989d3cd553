"""From single grades to pairs: all different responses of one instruction and rubric whose scores differ.

A response's score is the median of its graders' (the labels of one response disagree often enough that pairs by single
labels would come out both ways). A response is never paired with itself.
"""

import itertools
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from judgeforge.grading.records import Choice, Rubric
from judgeforge.prepare.sources import FeedbackRow
from judgeforge.prepare.split import compute_prompt_id


@dataclass(frozen=True)
class GradedResponse:
    """A response with the median of its scores and the feedback of the grader nearest to it."""

    text: str
    score: float
    feedback: str


@dataclass(frozen=True)
class Pair:
    """Two responses to one instruction, the better one named."""

    prompt_id: str
    instruction: str
    rubric: Rubric
    reference: str | None
    better: GradedResponse
    worse: GradedResponse


@dataclass(frozen=True)
class PlacedPair:
    """A pair whose better response stands at ``choice``."""

    pair: Pair
    choice: Choice

    @property
    def prompt_id(self) -> str:
        """The instruction it belongs to."""
        return self.pair.prompt_id

    @property
    def a(self) -> GradedResponse:
        """Response A."""
        return self.pair.better if self.choice == "A" else self.pair.worse

    @property
    def b(self) -> GradedResponse:
        """Response B."""
        return self.pair.worse if self.choice == "A" else self.pair.better


def build_pairs(rows: Sequence[FeedbackRow], max_pairs: int | None, seed: int) -> list[Pair]:
    """Pair the responses of each instruction, rubric and reference.

    Args:
        rows: graded responses, several graders of one response being several rows.
        max_pairs: of one instruction, rubric and reference, drawn by seed; None: all.
        seed: of that draw.
    """
    groups: dict[tuple[str, Rubric, str | None], list[FeedbackRow]] = {}
    for row in rows:
        groups.setdefault((row.instruction, row.rubric, row.reference), []).append(row)
    pairs = []
    for number, ((instruction, rubric, reference), group) in enumerate(groups.items()):
        prompt_id = compute_prompt_id(instruction)
        found = [
            Pair(prompt_id, instruction, rubric, reference, *_rank(one, two))
            for one, two in itertools.combinations(_grade(group), 2)
            if one.score != two.score
        ]
        if max_pairs is not None and len(found) > max_pairs:
            found = random.Random(f"{seed}/pairs/{number}/{prompt_id}").sample(found, max_pairs)
        pairs.extend(found)
    return pairs


def place_pairs(pairs: Sequence[Pair], seed: int) -> list[PlacedPair]:
    """Put the better response to A in half of the pairs (give or take one of an odd number), which half by seed."""
    rng = random.Random(f"{seed}/placement")
    odd: Choice = "A" if rng.random() < 0.5 else "B"
    half = len(pairs) // 2
    pool: tuple[Choice, ...] = ("A", "B")
    choices = [*pool * half, *[odd] * (len(pairs) % 2)]
    rng.shuffle(choices)
    return [PlacedPair(pair, choice) for pair, choice in zip(pairs, choices, strict=True)]


def _grade(group: list[FeedbackRow]) -> list[GradedResponse]:
    graders: dict[str, list[FeedbackRow]] = {}
    for row in group:
        graders.setdefault(row.response, []).append(row)
    graded = []
    for text, rows in graders.items():
        median = float(statistics.median(row.score for row in rows))
        nearest = min(rows, key=lambda row: abs(row.score - median))
        graded.append(GradedResponse(text, median, nearest.feedback))
    return graded


def _rank(one: GradedResponse, two: GradedResponse) -> tuple[GradedResponse, GradedResponse]:
    return (one, two) if one.score > two.score else (two, one)
