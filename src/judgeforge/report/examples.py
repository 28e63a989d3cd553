"""Which verdicts the report shows: drawn by the hash of the item's id, so that nobody picked them."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from judgeforge.grading.records import DirectItem
from judgeforge.report.sources import Evaluation, Sources

_KINDS = ("right", "wrong")


def choose_examples(sources: Sources) -> list[dict[str, Any]]:
    """Choose for each benchmark one item that the subject judged right and one that it judged wrong, if there are any.

    A direct verdict is right where it rounds to the gold score as the graders' mean does; a pairwise one where it names
    the better response in both orders. Contaminated items and ties are left out.

    Returns:
        by example: ``benchmark``, ``kind``, ``item``, ``gold`` and ``verdicts`` (``judge``, ``given``, ``right``,
        ``feedback``, ``is_reference``), in the order of the judges.
    """
    examples = []
    for name, benchmark in sources.benchmarks.items():
        if name not in sources.subject.metrics:
            continue
        items = {entry.item.item_id: entry.item for entry in benchmark.items}
        table = _mark(sources.subject.select(name)).filter(~pl.col("contaminated") & pl.col("gold").ne("tie"))
        for kind in _KINDS:
            candidates = table.filter(pl.col("right") == (kind == "right"))["item_id"].to_list()
            if not candidates:
                continue
            chosen = min(candidates, key=lambda each: hashlib.sha256(each.encode()).hexdigest())
            item, row = items[chosen], table.row(by_predicate=pl.col("item_id") == chosen, named=True)
            examples.append(
                {
                    "benchmark": name,
                    "kind": kind,
                    "group": row["group"],
                    "instruction": item.instruction,
                    "responses": _name_responses(item),
                    "criteria": item.rubric.criteria,
                    "gold": row["gold"],
                    "verdicts": _collect_verdicts(sources.list_judging(name), name, chosen),
                }
            )
    return examples


def _mark(judged: pl.DataFrame) -> pl.DataFrame:
    """Add ``gold`` and ``given`` as text, whichever the format, and whether they agree."""
    whole = pl.col("gold_score", "score").round().cast(pl.Int64).cast(pl.String)
    named = judged.with_columns(whole.name.prefix("whole_"))
    return named.with_columns(
        gold=pl.coalesce("whole_gold_score", "gold_choice"),
        given=pl.coalesce("whole_score", "choice"),
    ).with_columns(right=(pl.col("given") == pl.col("gold")).fill_null(False))


def _name_responses(item: Any) -> Mapping[str, str]:
    if isinstance(item, DirectItem):
        return {"Response": item.response}
    return {"Response A": item.response_a, "Response B": item.response_b}


def _collect_verdicts(evaluations: Sequence[Evaluation], benchmark: str, item_id: str) -> list[dict[str, Any]]:
    found = []
    for evaluation in evaluations:
        table = _mark(evaluation.select(benchmark).filter(pl.col("item_id") == item_id))
        row, answer = table.row(0, named=True), evaluation.find_answer(benchmark, item_id)
        found.append(
            {
                "judge": evaluation.judge,
                "is_reference": evaluation.is_reference,
                "given": row["given"],
                "right": row["right"],
                "feedback": answer["feedback"] or answer["raw_text"],
            }
        )
    return found
