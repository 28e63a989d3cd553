"""Grade items with an engine: render, run, parse. Serving, ``judgeforge grade`` and evaluation all go through here."""

from collections.abc import Iterator, Sequence

from judgeforge.engines.protocol import Completion, Conversation, Engine
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.records import FIVE_POINTS, DirectItem, PairwiseItem, Verdict
from judgeforge.grading.rendering import render_prompt
from judgeforge.grading.templates import JudgeTemplate


def build_conversation(item: DirectItem | PairwiseItem, template: JudgeTemplate, sample: int = 0) -> Conversation:
    """Build what a judge is asked about an item."""
    # To pairs the scale says nothing that the prompt does not: equal questions stay equal.
    scale = item.rubric.scale if item.format == "direct" else FIVE_POINTS
    messages = tuple(render_prompt(item, template))
    return Conversation(format=item.format, messages=messages, sample=sample, scale=scale)


def stream_verdicts(
    engine: Engine, items: Sequence[DirectItem | PairwiseItem], template: JudgeTemplate
) -> Iterator[tuple[int, Verdict, Completion]]:
    """Yield (index into ``items``, verdict, completion) as the engine is done with each; equal items are asked once."""
    conversations = [build_conversation(item, template) for item in items]
    places: dict[str, list[int]] = {}
    for index, conversation in enumerate(conversations):
        places.setdefault(conversation.model_dump_json(), []).append(index)
    asked = [own[0] for own in places.values()]
    equal = list(places.values())
    for position, completion in engine.complete([conversations[index] for index in asked]):
        verdict = read_verdict(completion, conversations[asked[position]], template)
        for index in equal[position]:
            yield index, verdict, completion


def compute_expected_score(completion: Completion) -> float | None:
    """Return the mean of the scores by their probabilities, where these were asked for and say scores."""
    shares = completion.probabilities
    if shares is None or not all(name.lstrip("-").isdecimal() for name in shares):
        return None
    return sum(int(score) * share for score, share in shares.items())


def read_verdict(completion: Completion, conversation: Conversation, template: JudgeTemplate) -> Verdict:
    """Read a judge's answer to what it was asked."""
    return parse_verdict(completion.text, conversation.format, template.result_marker, conversation.scale)


def grade_items(
    engine: Engine, items: Sequence[DirectItem | PairwiseItem], template: JudgeTemplate
) -> list[tuple[Verdict, Completion]]:
    """Grade all items and return the verdicts in their order."""
    found = {index: (verdict, completion) for index, verdict, completion in stream_verdicts(engine, items, template)}
    return [found[index] for index in range(len(items))]
