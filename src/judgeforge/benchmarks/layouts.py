"""Layouts: how the rows of a file become items. A benchmark is a layout, its options and its files."""

from collections.abc import Callable, Iterator, Mapping
from statistics import fmean
from typing import Any

from judgeforge.benchmarks.reading import (
    Pairs,
    Rows,
    Source,
    build_prompt_id,
    choose_first,
    describe_empty,
    describe_stripping,
    read_rubric,
    read_scores,
    strip_response,
)
from judgeforge.benchmarks.records import BenchmarkItem, Gold
from judgeforge.grading.records import DirectItem


def build_plain_direct(rows: Rows, source: Source) -> tuple[list[BenchmarkItem], list[str]]:
    """Build items from ``instruction``, ``response`` and ``gold`` (a score, or a list of the graders' scores).

    Where present, ``reference``, ``rubric``, ``group``, ``prompt_id`` and ``item_id`` are read, too.
    """
    items, stripped = [], 0
    for number, row in enumerate(rows, start=1):
        rubric = read_rubric(source, row, number)
        scores = read_scores(source, row, number, "gold", rubric.scale)
        instruction, response = (source.read_text(row, number, field) for field in ("instruction", "response"))
        kept = strip_response(response)
        stripped += kept != response
        item = source.build(
            number,
            DirectItem,
            item_id=str(source.find(row, "item_id", f"{source.name}-{number}")),
            prompt_id=str(source.find(row, "prompt_id", build_prompt_id(source.name, instruction))),
            instruction=instruction,
            response=kept,
            reference=source.find(row, "reference"),
            rubric=rubric,
        )
        group = str(source.find(row, "group", ""))
        items.append(BenchmarkItem(item=item, gold=fmean(scores), graders=scores, group=group))
    return items, [*describe_empty(items), *describe_stripping(stripped)]


_GOLDS: Mapping[str, Gold] = {"a": "A", "b": "B", "1": "A", "2": "B", "1.0": "A", "2.0": "B", "tie": "tie"}


def build_plain_pairwise(rows: Rows, source: Source) -> tuple[list[BenchmarkItem], list[str]]:
    """Build items from ``instruction``, ``response_a``, ``response_b`` and ``gold`` (A, B or tie; 1 or 2).

    All else is as in ``build_plain_direct``. LLMBar's files are read so: their fields are called ``input``,
    ``output_1``, ``output_2`` and ``label``.
    """
    pairs = Pairs(source)
    for number, row in enumerate(rows, start=1):
        label = str(source.read(row, number, "gold")).strip().lower()
        if label not in _GOLDS:
            raise source.fault(number, f"has the label {label!r}, which is neither A, B nor tie (nor 1 or 2)")
        instruction = source.read_text(row, number, "instruction")
        item = {
            "item_id": str(source.find(row, "item_id", f"{source.name}-{number}")),
            "prompt_id": str(source.find(row, "prompt_id", build_prompt_id(source.name, instruction))),
            "instruction": instruction,
            "reference": source.find(row, "reference"),
            "rubric": read_rubric(source, row, number),
        }
        responses = [source.read_text(row, number, field) for field in ("response_a", "response_b")]
        pairs.add(number, item, responses[0], responses[1], _GOLDS[label], str(source.find(row, "group", "")))
    return pairs.items, pairs.build_notes()


def build_chosen_rejected(rows: Rows, source: Source) -> tuple[list[BenchmarkItem], list[str]]:
    """Build items from ``prompt``, ``chosen`` and ``rejected``, each one text or a list, and ``subset``, ``id``.

    RewardBench (one of each) and RewardBench 2 (one chosen, three rejected; several chosen where all are right) come
    so. Every chosen response is paired with every rejected one, all pairs of a prompt in one cluster; half of the
    chosen ones stand first, by hash. RewardBench 2 itself scores a prompt by its best response: the pairs' accuracy is
    another figure.
    """
    triples = list(_pair_up(rows, source))
    first = choose_first(item["item_id"] for _, item, *_ in triples)
    pairs = Pairs(source)
    for number, item, chosen, rejected, group in triples:
        if item["item_id"] in first:
            pairs.add(number, item, chosen, rejected, "A", group)
        else:
            pairs.add(number, item, rejected, chosen, "B", group)
    return pairs.items, pairs.build_notes()


def _pair_up(rows: Rows, source: Source) -> Iterator[tuple[int, dict[str, Any], str, str, str]]:
    for number, row in enumerate(rows, start=1):
        prompt = source.read_text(row, number, "prompt")
        chosen, rejected = (_read_texts(source, row, number, side) for side in ("chosen", "rejected"))
        shared = {
            "prompt_id": build_prompt_id(source.name, prompt),
            "instruction": prompt,
            "rubric": read_rubric(source, row, number),
        }
        for left, better in enumerate(chosen):
            for right, worse in enumerate(rejected):
                item_id = f"{source.name}-{source.find(row, 'id', number)}-{left}-{right}"
                yield number, shared | {"item_id": item_id}, better, worse, str(source.find(row, "subset", ""))


def _read_texts(source: Source, row: Mapping[str, Any], number: int, side: str) -> list[str]:
    found = source.read(row, number, side)
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        what = "neither a text nor a list of texts (of a chat's messages, give the last one's content)"
        raise source.fault(number, f"has in {side!r} {what}")
    return texts


Layout = Callable[[Rows, Source], tuple[list[BenchmarkItem], list[str]]]
