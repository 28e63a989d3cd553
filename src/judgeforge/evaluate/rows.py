"""From answers to rows of the verdict table."""

import hashlib
from collections.abc import Iterable, Mapping

from judgeforge.engines.grading import compute_expected_score
from judgeforge.engines.protocol import Completion
from judgeforge.evaluate.judging import Answer
from judgeforge.evaluate.plan import Question
from judgeforge.grading.records import DirectItem
from judgeforge.verdicts import Mode, VerdictRow

_DIGEST_LENGTH = 16

Contaminated = Mapping[str, set[str]]
"""Item ids by benchmark, from the audit."""


def build_rows(judge_name: str, mode: Mode, answers: Iterable[Answer], contaminated: Contaminated) -> list[VerdictRow]:
    """Join items, gold labels and answers."""
    return [_build_row(judge_name, mode, answer, contaminated) for answer in answers]


def _build_row(judge_name: str, mode: Mode, answer: Answer, contaminated: Contaminated) -> VerdictRow:
    question, completion, verdict = answer
    item, benchmark = question.entry.item, question.benchmark
    direct = isinstance(item, DirectItem)
    responses = (item.response,) if isinstance(item, DirectItem) else (item.response_a, item.response_b)
    gold = question.entry.gold
    return VerdictRow(
        judge=judge_name,
        mode=mode,
        benchmark=benchmark.name,
        format=benchmark.format,
        method=question.method,
        order=question.order,
        sample=question.sample,
        item_id=item.item_id,
        prompt_id=item.prompt_id,
        group=question.entry.group,
        contaminated=item.item_id in contaminated.get(benchmark.name, set()),
        gold_score=gold if direct else None,  # type: ignore[arg-type]
        graders=question.entry.graders,
        gold_choice=None if direct else gold,  # type: ignore[arg-type]
        score=verdict.score,
        expected_score=_expect(question, completion),
        choice=verdict.choice,
        feedback=verdict.feedback,
        raw_text=completion.text,
        prompt_tokens=completion.prompt_tokens,
        output_tokens=completion.output_tokens,
        finish=completion.finish,
        lengths=tuple(map(len, responses)),
        lowest=item.rubric.scale.lowest,
        highest=item.rubric.scale.highest,
        responses=tuple(hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH] for text in responses),
    )


def _expect(question: Question, completion: Completion) -> float | None:
    return compute_expected_score(completion) if question.shown.format == "direct" else None
