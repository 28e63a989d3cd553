"""Upstream's re-sampling, for figures that compare with the published tables; ``clean`` mode does none of it.

Both quirks are of prometheus-eval at commit dcfb442, ``eval/run_evaluate.py``. They favour the judge: an unparsable
answer is drawn again up to five times, and when a pair is judged by two direct grades, equal grades are drawn again up
to twice, but only where the gold label is no tie, which lets the gold label in.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from judgeforge.evaluate.plan import Question
from judgeforge.grading.records import Verdict

PARSE_RETRIES = 5
TIE_RETRIES = 2
_RETRY_STRIDE = 1000
"""Retries are samples of their own, far above those that are planned."""


def plan_parse_retries(questions: Sequence[Question], verdicts: Sequence[Verdict], attempt: int) -> list[int]:
    """List the questions whose answer is unparsable and may be asked again.

    Args:
        questions: as asked.
        verdicts: one a question.
        attempt: counts the rounds from 1.
    """
    if attempt > PARSE_RETRIES:
        return []
    return [index for index, verdict in enumerate(verdicts) if not verdict.parsed]


def ask_again(question: Question, attempt: int) -> Question:
    """Make a question draw another answer."""
    return replace(question, sample=question.sample % _RETRY_STRIDE + attempt * _RETRY_STRIDE)


def plan_tie_retries(questions: Sequence[Question], verdicts: Sequence[Verdict], attempt: int) -> list[Question]:
    """List new questions for pairs with equal direct grades and a gold label that is no tie.

    Args:
        questions: all that were asked so far, retries included.
        verdicts: one a question.
        attempt: counts the rounds from 1.
    """
    if attempt > TIE_RETRIES:
        return []
    newest: dict[tuple[str, str], dict[str, tuple[Question, Verdict]]] = defaultdict(dict)
    for question, verdict in zip(questions, verdicts, strict=True):
        if question.method == "direct_for_pairwise":
            newest[question.benchmark.name, question.entry.item.item_id][question.order] = (question, verdict)
    again = []
    for graded in newest.values():
        (first, first_verdict), (second, second_verdict) = graded["a"], graded["b"]
        equal = first_verdict.score is not None and first_verdict.score == second_verdict.score
        if equal and first.entry.gold != "tie":
            again += [replace(each, sample=attempt) for each in (first, second)]
    return again
