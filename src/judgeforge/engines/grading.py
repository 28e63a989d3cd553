"""Grade items with an engine: render, run, parse. Serving, ``judgeforge grade`` and evaluation all go through here."""

from collections.abc import Iterator, Sequence

from judgeforge.engines.protocol import Completion, Conversation, Engine
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.records import DirectItem, PairwiseItem, Verdict
from judgeforge.grading.rendering import render_prompt
from judgeforge.grading.templates import JudgeTemplate


def stream_verdicts(
    engine: Engine, items: Sequence[DirectItem | PairwiseItem], template: JudgeTemplate
) -> Iterator[tuple[int, Verdict, Completion]]:
    """Yield (index into ``items``, verdict, completion) as the engine is done with each."""
    conversations = [Conversation(format=item.format, messages=tuple(render_prompt(item, template))) for item in items]
    for index, completion in engine.complete(conversations):
        yield index, parse_verdict(completion.text, items[index].format, template.result_marker), completion


def grade_items(
    engine: Engine, items: Sequence[DirectItem | PairwiseItem], template: JudgeTemplate
) -> list[tuple[Verdict, Completion]]:
    """Grade all items and return the verdicts in their order."""
    found = {index: (verdict, completion) for index, verdict, completion in stream_verdicts(engine, items, template)}
    return [found[index] for index in range(len(items))]
