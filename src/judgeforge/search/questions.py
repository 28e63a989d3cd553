"""What candidates are asked: the validation sets, which training left out, and the verdicts that belong to them."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from judgeforge.engines.protocol import Conversation
from judgeforge.errors import InputError
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.records import Format, TrainingExample, Verdict
from judgeforge.grading.templates import JudgeTemplate
from judgeforge.training_sets import load_training_examples


@dataclass(frozen=True)
class Question:
    """One row of a validation set.

    Args:
        item_id: its own.
        prompt_id: the cluster of intervals.
        conversation: what is asked.
        gold: the verdict of its set.
    """

    item_id: str
    prompt_id: str
    conversation: Conversation
    gold: Verdict


def load_questions(data: Path, template: JudgeTemplate, rows: int, seed: int) -> list[Question]:
    """Read the validation sets of both formats.

    Args:
        data: the training sets' folder.
        template: of the judges.
        rows: of each set at most, drawn.
        seed: of the draw.

    Raises:
        InputError: a set has no row, or a row no verdict.
    """
    questions = []
    for format in get_args(Format):
        examples = load_training_examples(data, f"validation_{format}")
        if not examples:
            raise InputError(
                f"The validation set of {format} has no row, and merges are searched on it.",
                "raise prepare.validation_fraction, or set search.enabled to false.",
            )
        drawn = random.Random(seed).sample(examples, min(rows, len(examples)))
        questions += [_build_question(example, template) for example in drawn]
    return questions


def _build_question(example: TrainingExample, template: JudgeTemplate) -> Question:
    *asked, answer = example.messages
    gold = parse_verdict(answer["content"], example.format, template.result_marker, example.scale)
    if gold.score is None and gold.choice is None:
        raise InputError(
            f"{example.example_id} of the validation set closes without a verdict.", "prepare the sets again."
        )
    conversation = Conversation(format=example.format, messages=tuple(asked), scale=example.scale)
    return Question(example.example_id, example.prompt_id, conversation, gold)
