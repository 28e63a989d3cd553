"""The stage as one function: the texts of the training sets and benchmarks in, contaminated items out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from judgeforge.benchmarks import load_benchmark
from judgeforge.files import write_json
from judgeforge.grading.records import DirectItem, PairwiseItem
from judgeforge.overlap import find_equal, find_overlaps, find_seen
from judgeforge.params import AuditParams, EvaluateParams
from judgeforge.progress import track
from judgeforge.training_sets import INSTRUCTIONS, INSTRUCTIONS_SCHEMA, load_table


class Finding(TypedDict):
    """What was found in one benchmark.

    Args:
        items: how many it has.
        contaminated: the ids of those that stand in the training sets.
        share: of the items.
        by: how many of them each way of looking found: ``instruction`` (equal, or one inside the other),
            ``instruction_ngrams``, ``response`` (equal, and long enough), ``response_ngrams``.
    """

    items: int
    contaminated: list[str]
    share: float
    by: dict[str, int]


@dataclass(frozen=True)
class _Texts:
    instructions: list[str]
    responses: list[str]


def audit(
    params: AuditParams, evaluation: EvaluateParams, *, train: Sequence[Path], benchmarks: Path, out: Path
) -> dict[str, Finding]:
    """Compare every benchmark with the training sets, validation included, and write the findings.

    Args:
        params: of ``audit``.
        evaluation: of ``evaluate``: the names of the benchmarks and the folder of the published ones.
        train: folders of training sets: all that a judge learns from.
        benchmarks: folder of the embedded benchmarks.
        out: JSON file.

    Raises:
        InputError: the training sets or a benchmark cannot be read.
    """
    training = _load_texts(train)
    folder = None if evaluation.benchmarks_folder is None else Path(evaluation.benchmarks_folder)
    findings: dict[str, Finding] = {}
    for name in track(evaluation.benchmarks, "auditing benchmarks"):
        benchmark = load_benchmark(name, benchmarks, folder)
        findings[benchmark.name] = _look_for([entry.item for entry in benchmark.items], training, params)
    write_json(out, findings)
    return findings


def _look_for(items: Sequence[DirectItem | PairwiseItem], training: _Texts, params: AuditParams) -> Finding:
    options = {"size": params.ngram_words, "share": params.ngram_share}
    instructions = [item.instruction for item in items]
    responses = [text for item in items for text in _list_responses(item)]
    seen = dict(zip(responses, find_seen(responses, training.responses, **options), strict=True))  # type: ignore[arg-type]
    equal = find_equal(responses, training.responses)
    ways = {
        "instruction": find_overlaps(instructions, training.instructions),
        "instruction_ngrams": find_seen(instructions, training.instructions, **options),  # type: ignore[arg-type]
        "response": [any(text in equal for text in _list_responses(item)) for item in items],
        "response_ngrams": [any(seen[text] for text in _list_responses(item)) for item in items],
    }
    contaminated = [item.item_id for index, item in enumerate(items) if any(found[index] for found in ways.values())]
    return {
        "items": len(items),
        "contaminated": contaminated,
        "share": len(contaminated) / len(items) if items else 0.0,
        "by": {way: sum(found) for way, found in ways.items()},
    }


def _list_responses(item: DirectItem | PairwiseItem) -> tuple[str, ...]:
    return (item.response,) if isinstance(item, DirectItem) else (item.response_a, item.response_b)


def _load_texts(folders: Sequence[Path]) -> _Texts:
    texts = _Texts([], [])
    for folder in folders:
        table = load_table(folder, INSTRUCTIONS, INSTRUCTIONS_SCHEMA, ["instruction", "responses"])
        texts.instructions.extend(table["instruction"])
        texts.responses.extend(table["responses"].explode(empty_as_null=False).drop_nulls())
    return texts
