"""Which questions a judge is asked about a benchmark: methods, orders and samples of every item, and no gold label.

``clean``: pairs in both orders, all answers planned beforehand. ``paper``: pairs in one order drawn by seed, three
answers an item in direct assessment (arXiv 2405.01535, section 5; inference settings of its appendix).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from judgeforge.benchmarks.records import Benchmark, BenchmarkItem
from judgeforge.engines.grading import build_conversation
from judgeforge.engines.protocol import Conversation
from judgeforge.grading.records import DirectItem, PairwiseItem
from judgeforge.grading.templates import JudgeTemplate
from judgeforge.verdicts import Method, Mode, Order

PAPER_DIRECT_SAMPLES = 3
"""Runs whose mean is the direct score (paper, section 5.1)."""


@dataclass(frozen=True)
class Question:
    """One answer that is wanted.

    Args:
        benchmark: the item's.
        entry: item and gold; in ``paper`` mode as placed by the seed.
        shown: what the judge sees: the item, the item with its responses exchanged, or one of its responses.
    """

    benchmark: Benchmark
    entry: BenchmarkItem
    method: Method
    order: Order
    sample: int
    shown: DirectItem | PairwiseItem

    def render(self, template: JudgeTemplate) -> Conversation:
        """Render what the judge is asked."""
        return build_conversation(self.shown, template, self.sample)


def plan_questions(
    benchmarks: Sequence[Benchmark], *, mode: Mode, samples: int, direct_for_pairwise: bool, seed: int
) -> list[Question]:
    """List the questions in the order of the benchmarks.

    Args:
        benchmarks: what to judge.
        mode: ``paper`` takes its own number of samples and one order.
        samples: answers a prompt in ``clean`` mode.
        direct_for_pairwise: grade the responses of pairs one by one, too.
        seed: of the one order in ``paper`` mode.
    """
    questions = []
    for benchmark in benchmarks:
        for entry in benchmark.items:
            placed = _place(entry, seed) if mode == "paper" else entry
            for method, order, shown in _show(placed, mode, direct_for_pairwise):
                for sample in range(_count_samples(mode, method, samples)):
                    questions.append(Question(benchmark, placed, method, order, sample, shown))
    return questions


def _count_samples(mode: Mode, method: Method, samples: int) -> int:
    if mode == "clean":
        return samples
    return PAPER_DIRECT_SAMPLES if method == "direct" else 1


def _show(
    entry: BenchmarkItem, mode: Mode, direct_for_pairwise: bool
) -> Iterator[tuple[Method, Order, DirectItem | PairwiseItem]]:
    item = entry.item
    if isinstance(item, DirectItem):
        yield "direct", "", item
        return
    yield "pairwise", "given", item
    if mode == "clean":
        yield "pairwise", "swapped", swap_responses(item)
    if direct_for_pairwise:
        yield "direct_for_pairwise", "a", take_response(item, item.response_a)
        yield "direct_for_pairwise", "b", take_response(item, item.response_b)


def swap_responses(item: PairwiseItem) -> PairwiseItem:
    """Exchange A and B."""
    return item.model_copy(update={"response_a": item.response_b, "response_b": item.response_a})


def take_response(item: PairwiseItem, response: str) -> DirectItem:
    """Make a direct item of one response of a pair."""
    return DirectItem(
        item_id=item.item_id,
        prompt_id=item.prompt_id,
        instruction=item.instruction,
        response=response,
        reference=item.reference,
        rubric=item.rubric,
    )


def _place(entry: BenchmarkItem, seed: int) -> BenchmarkItem:
    item = entry.item
    if isinstance(item, DirectItem) or hashlib.sha256(f"{seed}/{item.item_id}".encode()).digest()[0] % 2:
        return entry
    gold = {"A": "B", "B": "A"}.get(str(entry.gold), entry.gold)
    return entry.model_copy(update={"item": swap_responses(item), "gold": gold})
