"""Trivial judges, the floor that a real one must clear: they know labels, chance or lengths, and never read a text."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
from scipy.stats import rankdata

from judgeforge.errors import InputError
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.records import FIVE_POINTS, Choice, DirectItem, Format, PairwiseItem, Scale, Verdict
from judgeforge.grading.templates import load_template
from judgeforge.training_sets import EXAMPLES_SCHEMA, load_table

Items = Sequence[DirectItem | PairwiseItem]
ReferenceJudge = Callable[[Items], list[Verdict]]


def build_reference(name: str, train_folder: Path, seed: int) -> ReferenceJudge:
    """Build a trivial judge.

    Args:
        name: ``majority`` (the training set's most frequent verdict, among those on the item's scale), ``random``
            (uniform), or ``longer`` (the longer response; for a single one, the part of the benchmark's responses by
            length that it falls into: a fifth on a scale of five).
        train_folder: the training sets with their template; only ``majority`` reads it.
        seed: of ``random``, and of the draw between responses of equal length.

    Raises:
        InputError: unknown name; for ``majority``, a training set that is missing or has no verdict.
    """
    if name == "majority":
        return lambda items: _judge_by_majority(items, train_folder)
    if name == "random":
        return lambda items: [_judge_at_random(item, seed) for item in items]
    if name == "longer":
        return lambda items: _judge_by_length(items, seed)
    raise InputError(f"There is no trivial judge {name!r}.", "name majority, random or longer.")


def _judge_by_majority(items: Items, train_folder: Path) -> list[Verdict]:
    kinds = {(item.format, _find_scale(item)) for item in items}
    verdicts = {kind: _find_majority(train_folder, *kind) for kind in kinds}
    return [verdicts[item.format, _find_scale(item)] for item in items]


def _find_scale(item: DirectItem | PairwiseItem) -> Scale:
    return item.rubric.scale if item.format == "direct" else FIVE_POINTS


def _find_majority(train_folder: Path, format: Format, scale: Scale) -> Verdict:
    marker = load_template(train_folder).result_marker
    counts: Counter[int | str] = Counter()
    table = load_table(train_folder, format, EXAMPLES_SCHEMA, ["messages", "scale"])
    empty = table.is_empty()
    if format == "direct":
        table = table.filter(pl.col("scale") == pl.lit(list(scale), dtype=EXAMPLES_SCHEMA["scale"]))
    for answer in table.select(pl.col("messages").list.last().struct.field("content")).to_series():
        verdict = parse_verdict(answer, format, marker, scale)
        counts.update([value for value in (verdict.score, verdict.choice) if value is not None])
    if empty or (not counts and scale == FIVE_POINTS):
        raise InputError(f"{train_folder / format} holds no verdict.", "write it again with 'dvc repro prepare'.")
    if not counts:
        text = "The training set has no score of this scale: its middle, rounded down."
        return Verdict(feedback=text, score=math.floor(scale.middle))
    # Equal counts: the lowest score, or A, so that the order of the rows does not matter.
    winner = min(counts, key=lambda each: (-counts[each], each))
    text = "Most frequent verdict of the training set."
    return Verdict.model_validate({"feedback": text, "score" if format == "direct" else "choice": winner})


def _judge_at_random(item: DirectItem | PairwiseItem, seed: int) -> Verdict:
    if item.format == "direct":
        scores = item.rubric.scale.scores
        return Verdict(feedback="Random score.", score=scores[_draw(item.item_id, seed, len(scores))])
    return Verdict(feedback="Random choice.", choice=_draw_choice(item.item_id, seed))


def _judge_by_length(items: Items, seed: int) -> list[Verdict]:
    lengths = [len(item.response) for item in items if isinstance(item, DirectItem)]
    ranks = iter(rankdata(lengths))
    verdicts = []
    for item in items:
        if isinstance(item, DirectItem):
            share = (next(ranks) - 0.5) / len(lengths)
            feedback = "Score by the length of the response."
            scores = item.rubric.scale.scores
            verdicts.append(Verdict(feedback=feedback, score=scores[int(share * len(scores))]))
        else:
            difference = len(item.response_a) - len(item.response_b)
            choice: Choice = "A" if difference > 0 else "B"
            if difference == 0:
                choice = _draw_choice(item.item_id, seed)
            verdicts.append(Verdict(feedback="Longer response." if difference else "Equal lengths.", choice=choice))
    return verdicts


def _draw(item_id: str, seed: int, options: int) -> int:
    return int(hashlib.sha256(f"{seed}/{item_id}".encode()).hexdigest(), 16) % options


def _draw_choice(item_id: str, seed: int) -> Choice:
    return "AB"[_draw(item_id, seed, 2)]  # type: ignore[return-value]
