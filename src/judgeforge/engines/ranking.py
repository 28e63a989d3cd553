"""More than two responses: ranked by direct scores, or by rounds of pairs, each pair judged in both orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from judgeforge.engines.grading import compute_expected_score, grade_items
from judgeforge.engines.protocol import Completion, Engine
from judgeforge.grading.records import DirectItem, PairwiseItem, Rubric, Verdict
from judgeforge.grading.templates import JudgeTemplate

By = Literal["scores", "pairs"]


@dataclass(frozen=True)
class Place:
    """A response's place.

    Args:
        response: its index.
        rank: 1 is best; equal responses share the mean of their places.
        value: its score, of expectation where that was asked for; by pairs, its points per judgment (1 for being named,
            0 for not), None without any.
        verdicts: what was judged of it, in order.
    """

    response: int
    rank: float
    value: float | None
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Candidates:
    """What is ranked.

    Args:
        instruction: what was asked.
        responses: two or more.
        rubric: by which.
        reference: an answer that deserves the highest score, or None.
    """

    instruction: str
    responses: tuple[str, ...]
    rubric: Rubric
    reference: str | None = None


def count_judgments(responses: int, by: By, rounds: int | None) -> int:
    """Count what a ranking costs at most: one judgment a response, or two a pair; equal ones are judged once.

    Args:
        responses: how many.
        by: how they are ranked.
        rounds: of pairs; None: as many as it takes for each to meet each.
    """
    return responses if by == "scores" else 2 * len(schedule_pairs(responses, rounds))


def schedule_pairs(responses: int, rounds: int | None) -> list[tuple[int, int]]:
    """Schedule rounds in which each response meets one other, by the circle method; none meets another twice.

    With an odd number, one response has a free turn in each round.

    Args:
        responses: how many.
        rounds: how many of the rounds; None: all, every pair once.
    """
    seats = list(range(responses + responses % 2))
    found = []
    for _ in range(min(rounds or len(seats), len(seats) - 1)):
        half = len(seats) // 2
        met = zip(seats[:half], reversed(seats[half:]), strict=True)
        found += [(min(pair), max(pair)) for pair in met if max(pair) < responses]
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return found


def rank_responses(
    engine: Engine, template: JudgeTemplate, candidates: Candidates, by: By, rounds: int | None = None
) -> list[Place]:
    """Rank responses, best first; a response without any verdict comes last.

    Args:
        engine: the judge.
        template: the judge's own.
        candidates: what is ranked.
        by: ``scores``: each is graded by itself; ``pairs``: points of comparisons in both orders.
        rounds: of pairs; None: all.
    """
    if by == "scores":
        values, verdicts = _grade(engine, template, candidates)
    else:
        values, verdicts = _compare(engine, template, candidates, rounds)
    order = sorted(range(len(values)), key=lambda index: -values[index])
    ranks = _share_ranks([values[index] for index in order])
    return [
        Place(index, rank, None if np.isinf(values[index]) else values[index], tuple(verdicts[index]))
        for index, rank in zip(order, ranks, strict=True)
    ]


def _grade(engine: Engine, template: JudgeTemplate, candidates: Candidates) -> tuple[list[float], list[list[Verdict]]]:
    shared = _share(candidates)
    items = [DirectItem(item_id=str(index), response=text, **shared) for index, text in enumerate(candidates.responses)]
    graded = grade_items(engine, items, template)
    return [_read_score(*each) for each in graded], [[verdict] for verdict, _ in graded]


def _read_score(verdict: Verdict, completion: Completion) -> float:
    if verdict.score is None:
        return -np.inf
    expected = compute_expected_score(completion)
    return float(verdict.score) if expected is None else expected


def _compare(
    engine: Engine, template: JudgeTemplate, candidates: Candidates, rounds: int | None
) -> tuple[list[float], list[list[Verdict]]]:
    texts, shared = candidates.responses, _share(candidates)
    shown = [order for pair in schedule_pairs(len(texts), rounds) for order in (pair, pair[::-1])]
    items = [PairwiseItem(item_id=f"{a}-{b}", response_a=texts[a], response_b=texts[b], **shared) for a, b in shown]
    points: list[list[float]] = [[] for _ in texts]
    verdicts: list[list[Verdict]] = [[] for _ in texts]
    for (a, b), (verdict, _) in zip(shown, grade_items(engine, items, template), strict=True):
        for index, letter in ((a, "A"), (b, "B")):
            verdicts[index].append(verdict)
            if verdict.choice is not None:
                points[index].append(float(verdict.choice == letter))
    return [float(np.mean(own)) if own else -np.inf for own in points], verdicts


def _share(candidates: Candidates) -> dict[str, Any]:
    return {
        "prompt_id": "ranking",
        "instruction": candidates.instruction,
        "rubric": candidates.rubric,
        "reference": candidates.reference,
    }


def _share_ranks(values: Sequence[float]) -> list[float]:
    """Number sorted values from 1; equal ones share the mean of their places."""
    starts = [0, *(index for index, (one, other) in enumerate(pairwise(values), start=1) if one != other), len(values)]
    return [(start + end + 1) / 2 for start, end in pairwise(starts) for _ in range(end - start)]
