"""All families, and from a seed to rows in the Feedback Collection's columns.

Benchmark instructions take the first indices of a family and training ones the next, so that a larger training set
leaves the benchmarks as they are.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
class EmbeddedCollection:
    """Rows in the Feedback Collection's columns, with ``family``."""

    training: list[dict[str, Any]]
    benchmark: list[dict[str, Any]]


def build_embedded_collection(seed: int, sizes: EmbeddedParams) -> EmbeddedCollection:
    """Generate the collection: the same for the same seed and sizes.

    Args:
        seed: of everything that is drawn.
        sizes: instructions a family.
    """
    training: list[dict[str, Any]] = []
    benchmark: list[dict[str, Any]] = []
    for name, family in TRAINING_FAMILIES.items():
        tasks = _build_tasks(seed, name, family, sizes.benchmark_instructions + sizes.train_instructions)
        for index, task in enumerate(tasks):
            chosen = benchmark if index < sizes.benchmark_instructions else training
            chosen.extend(_grade(seed, name, index, task))
    for name, family in HELD_OUT_FAMILIES.items():
        for index, task in enumerate(_build_tasks(seed, name, family, sizes.held_out_instructions)):
            benchmark.extend(_grade(seed, f"held-out: {name}", index, task))
    return EmbeddedCollection(training, benchmark)


def _build_tasks(seed: int, name: str, family: Builder, count: int) -> list[Task]:
    tasks: dict[str, Task] = {}
    for index in range(count):
        attempt = 0
        while len(tasks) == index:
            task = family(random.Random(f"{seed}/{name}/{index}/{attempt}"))
            tasks.setdefault(task.instruction, task)
            attempt += 1
    return list(tasks.values())


def _grade(seed: int, name: str, index: int, task: Task) -> list[dict[str, Any]]:
    rng = random.Random(f"{seed}/{name}/{index}/responses")
    rows = []
    for score, draft in enumerate(task.drafts, start=1):
        if score == 1 and rng.random() < _OFF_TOPIC_SHARE:
            response = _stray(name, task, rng)
        else:
            response = finish(draft, task.remarks, task.draw_length(rng), rng)
        rows.append(_build_row(name, task, score, response))
    return rows


def _stray(name: str, task: Task, rng: random.Random) -> Response:
    """Answer the task of another family, and answer it well: only the instruction shows that it is out of place."""
    other_name = pick(rng, [other for other in TRAINING_FAMILIES if other != name])
    other = TRAINING_FAMILIES[other_name](rng)
    draft = Draft(other.drafts[-1].text, "The task is not done")
    return finish(draft, other.remarks, task.draw_length(rng), rng)


def _build_row(name: str, task: Task, score: int, response: Response) -> dict[str, Any]:
    row: dict[str, Any] = {
        "family": name,
        "orig_instruction": task.instruction,
        "orig_response": response.text,
        "orig_reference_answer": task.reference,
        "orig_criteria": task.criteria,
    }
    row |= {f"orig_score{level}_description": text for level, text in enumerate(task.levels, start=1)}
    return row | {"orig_feedback": response.feedback, "orig_score": str(score)}
