"""From checked rows to the two training sets, each split by instruction into training and validation."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from judgeforge.files import write_folder_atomically, write_json_lines
from judgeforge.grading.records import DirectItem, PairwiseItem, TrainingExample, Verdict
from judgeforge.grading.rendering import render_prompt, render_verdict
from judgeforge.grading.templates import JudgeTemplate, write_template
from judgeforge.params import PrepareParams
from judgeforge.prepare.pairing import PlacedPair, build_pairs, place_pairs
from judgeforge.prepare.sources import FeedbackRow
from judgeforge.prepare.split import cap_rows, choose_validation_prompts, compute_prompt_id
from judgeforge.prepare.teacher import compose_feedback

T = TypeVar("T")


@dataclass(frozen=True)
class GradedRow:
    """A row with the instruction it belongs to."""

    prompt_id: str
    row: FeedbackRow


@dataclass(frozen=True)
class TrainingSets:
    """Everything that training reads.

    Args:
        examples: by file name without ending, in the order of the files.
        pairs: the placed pairs behind the pairwise files, by the same names.
        instructions: by ``prompt_id``, of the rows of all files.
        responses: likewise.
    """

    examples: dict[str, list[TrainingExample]]
    pairs: dict[str, list[PlacedPair]]
    instructions: dict[str, str]
    responses: dict[str, list[str]]


def build_training_sets(rows: Sequence[FeedbackRow], params: PrepareParams, template: JudgeTemplate) -> TrainingSets:
    """Pair, split, cap, place and render; a collection without pairs gives an empty pairwise set.

    Args:
        rows: checked and without duplicates.
        params: of the stage.
        template: the judge template that all rows are rendered by.

    Raises:
        InputError: the cap lets nothing through.
    """
    direct = [GradedRow(compute_prompt_id(row.instruction), row) for row in rows]
    pairs = build_pairs(rows, params.max_pairs_per_instruction, params.seed)
    held_back = choose_validation_prompts((row.prompt_id for row in direct), params.validation_fraction, params.seed)
    train_direct = [row for row in direct if row.prompt_id not in held_back]
    train_pairs = [pair for pair in pairs if pair.prompt_id not in held_back]
    validation_pairs = [pair for pair in pairs if pair.prompt_id in held_back]
    placed = {
        "pairwise": place_pairs(cap_rows(train_pairs, params.max_rows_per_format, params.seed), params.seed),
        "validation_pairwise": place_pairs(validation_pairs, params.seed),
    }
    graded = {
        "direct": cap_rows(train_direct, params.max_rows_per_format, params.seed),
        "validation_direct": [row for row in direct if row.prompt_id in held_back],
    }
    examples = {name: _render_direct(part, params, template) for name, part in graded.items()}
    examples |= {name: _render_pairwise(part, params, template) for name, part in placed.items()}
    used = {example.prompt_id for part in examples.values() for example in part}
    instructions = {row.prompt_id: row.row.instruction for row in direct if row.prompt_id in used}
    shuffled = {name: _shuffle(part, f"{params.seed}/{name}") for name, part in examples.items()}
    responses: dict[str, list[str]] = {prompt_id: [] for prompt_id in instructions}
    for row in direct:
        if row.prompt_id in used:
            responses[row.prompt_id].append(row.row.response)
    return TrainingSets(shuffled, placed, instructions, responses)


def write_training_sets(sets: TrainingSets, template: JudgeTemplate, folder: Path) -> None:
    """Write the files of ``folder``: all of them, or none."""
    with write_folder_atomically(folder) as temporary:
        for name, examples in sets.examples.items():
            write_json_lines(temporary / f"{name}.jsonl", [example.model_dump(mode="json") for example in examples])
        instructions = [
            {"prompt_id": key, "instruction": text, "responses": sets.responses[key]}
            for key, text in sorted(sets.instructions.items())
        ]
        write_json_lines(temporary / "instructions.jsonl", instructions)
        write_template(template, temporary)


def _shows_reference(prompt_id: str, params: PrepareParams) -> bool:
    draw = random.Random(f"{params.seed}/reference/{prompt_id}").random()
    return draw < params.reference_probability


def _render_direct(rows: list[GradedRow], params: PrepareParams, template: JudgeTemplate) -> list[TrainingExample]:
    examples = []
    for number, graded in enumerate(rows):
        row = graded.row
        item = DirectItem(
            item_id=f"direct-{number}-{graded.prompt_id}",
            prompt_id=graded.prompt_id,
            instruction=row.instruction,
            response=row.response,
            reference=row.reference if _shows_reference(graded.prompt_id, params) else None,
            rubric=row.rubric,
        )
        examples.append(_render_example(item, Verdict(feedback=row.feedback, score=row.score), template))
    return examples


def _render_pairwise(pairs: list[PlacedPair], params: PrepareParams, template: JudgeTemplate) -> list[TrainingExample]:
    examples = []
    for number, placed in enumerate(pairs):
        pair = placed.pair
        item = PairwiseItem(
            item_id=f"pairwise-{number}-{pair.prompt_id}",
            prompt_id=pair.prompt_id,
            instruction=pair.instruction,
            response_a=placed.a.text,
            response_b=placed.b.text,
            reference=pair.reference if _shows_reference(pair.prompt_id, params) else None,
            rubric=pair.rubric,
        )
        verdict = Verdict(feedback=compose_feedback(placed), choice=placed.choice)
        examples.append(_render_example(item, verdict, template))
    return examples


def _render_example(item: DirectItem | PairwiseItem, verdict: Verdict, template: JudgeTemplate) -> TrainingExample:
    answer = {"role": "assistant", "content": render_verdict(verdict, template)}
    messages = (*render_prompt(item, template), answer)
    return TrainingExample(example_id=item.item_id, prompt_id=item.prompt_id, format=item.format, messages=messages)


def _shuffle(rows: list[T], seed: str) -> list[T]:
    return random.Random(seed).sample(rows, len(rows))
