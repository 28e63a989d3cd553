"""All families, and from a seed to rows in the Feedback Collection's columns.

Benchmark instructions take the first indices of a family, training ones the next and those of the form the last, so
that a larger training set leaves the benchmarks as they are, and no instruction is in two sets.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from judgeforge.params import EmbeddedParams
from judgeforge.prepare.embedded.families.arithmetic import build_arithmetic
from judgeforge.prepare.embedded.families.comparison import build_comparison
from judgeforge.prepare.embedded.families.conversion import build_conversion
from judgeforge.prepare.embedded.families.directions import build_directions
from judgeforge.prepare.embedded.families.email import build_email
from judgeforge.prepare.embedded.families.filtering import build_filtering
from judgeforge.prepare.embedded.families.ordering import build_ordering
from judgeforge.prepare.embedded.families.passage_facts import build_passage_facts
from judgeforge.prepare.embedded.families.record import build_record
from judgeforge.prepare.embedded.families.summary import build_summary
from judgeforge.prepare.embedded.tasks import Draft, Response, Task, finish, pick

Builder = Callable[[random.Random], Task]

TRAINING_FAMILIES: Mapping[str, Builder] = {
    "arithmetic": build_arithmetic,
    "conversion": build_conversion,
    "email": build_email,
    "filtering": build_filtering,
    "ordering": build_ordering,
    "passage facts": build_passage_facts,
    "record": build_record,
    "summary": build_summary,
}

HELD_OUT_FAMILIES: Mapping[str, Builder] = {"comparison": build_comparison, "directions": build_directions}
"""Of which no training row is."""

_OFF_TOPIC_SHARE = 0.3


@dataclass(frozen=True)
class GradedDraft:
    """One response of a task, with its score."""

    family: str
    task: Task
    response: Response
    score: int


@dataclass(frozen=True)
class EmbeddedCollection:
    """Rows in the Feedback Collection's columns, with ``family``.

    Args:
        training: of the training families.
        benchmark: of these and of the held-out families.
        form: of the training families, each with the finding and the score of another row, drawn by lot: they show
            how a verdict is written, and nothing of how to judge.
    """

    training: list[dict[str, Any]]
    benchmark: list[dict[str, Any]]
    form: list[dict[str, Any]]


def build_embedded_collection(seed: int, sizes: EmbeddedParams) -> EmbeddedCollection:
    """Generate the collection: the same for the same seed and sizes.

    Args:
        seed: of everything that is drawn.
        sizes: instructions a family.
    """
    training: list[dict[str, Any]] = []
    benchmark: list[dict[str, Any]] = []
    form: list[dict[str, Any]] = []
    learnt_from = sizes.benchmark_instructions + sizes.train_instructions
    for name, family in TRAINING_FAMILIES.items():
        graded = [
            _grade(seed, name, index, task)
            for index, task in enumerate(_build_tasks(seed, name, family, learnt_from + sizes.form_instructions))
        ]
        benchmark += _build_rows(graded[: sizes.benchmark_instructions])
        training += _build_rows(graded[sizes.benchmark_instructions : learnt_from])
        form += _build_rows(_exchange_findings(graded[learnt_from:], random.Random(f"{seed}/{name}/form")))
    for name, family in HELD_OUT_FAMILIES.items():
        tasks = _build_tasks(seed, name, family, sizes.held_out_instructions)
        benchmark += _build_rows([_grade(seed, f"held-out: {name}", index, task) for index, task in enumerate(tasks)])
    return EmbeddedCollection(training, benchmark, form)


def _build_tasks(seed: int, name: str, family: Builder, count: int) -> list[Task]:
    tasks: dict[str, Task] = {}
    for index in range(count):
        attempt = 0
        while len(tasks) == index:
            task = family(random.Random(f"{seed}/{name}/{index}/{attempt}"))
            tasks.setdefault(task.instruction, task)
            attempt += 1
    return list(tasks.values())


def _grade(seed: int, name: str, index: int, task: Task) -> list[GradedDraft]:
    rng = random.Random(f"{seed}/{name}/{index}/responses")
    graded = []
    for score, draft in enumerate(task.drafts, start=1):
        if score == 1 and rng.random() < _OFF_TOPIC_SHARE:
            response = _stray(name, task, rng)
        else:
            response = finish(draft, task.remarks, task.draw_length(rng), rng)
        graded.append(GradedDraft(name, task, response, score))
    return graded


def _exchange_findings(tasks: list[list[GradedDraft]], rng: random.Random) -> list[list[GradedDraft]]:
    found = [(each.response.finding, each.score) for graded in tasks for each in graded]
    rng.shuffle(found)
    drawn = iter(found)
    return [[_give(each, *next(drawn)) for each in graded] for graded in tasks]


def _give(graded: GradedDraft, finding: str, score: int) -> GradedDraft:
    return replace(graded, response=replace(graded.response, finding=finding), score=score)


def _stray(name: str, task: Task, rng: random.Random) -> Response:
    """Answer the task of another family, and answer it well: only the instruction shows that it is out of place."""
    other_name = pick(rng, [other for other in TRAINING_FAMILIES if other != name])
    other = TRAINING_FAMILIES[other_name](rng)
    draft = Draft(other.drafts[-1].text, "The task is not done")
    return finish(draft, other.remarks, task.draw_length(rng), rng)


def _build_rows(tasks: list[list[GradedDraft]]) -> list[dict[str, Any]]:
    return [_build_row(each) for graded in tasks for each in graded]


def _build_row(graded: GradedDraft) -> dict[str, Any]:
    task = graded.task
    row: dict[str, Any] = {
        "family": graded.family,
        "orig_instruction": task.instruction,
        "orig_response": graded.response.text,
        "orig_reference_answer": task.reference,
        "orig_criteria": task.criteria,
    }
    row |= {f"orig_score{level}_description": text for level, text in enumerate(task.levels, start=1)}
    return row | {"orig_feedback": graded.response.feedback, "orig_score": str(graded.score)}
