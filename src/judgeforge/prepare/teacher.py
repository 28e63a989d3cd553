"""The offline teacher: pairwise feedback composed from the two single feedbacks, without any model.

Always A, then B, then what they share, then the verdict: the winner shows in the content first, not in the order, and a
judge that writes so has weighed both before it decides. The paper asks a language model for the same three parts.
"""

import re

from judgeforge.grading.records import Choice
from judgeforge.prepare.pairing import GradedResponse, PlacedPair

MAX_WORDS_EACH = 60
"""Shorter feedback is quoted whole; of longer (real feedback has some 100 words), two sentences within this bound."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")
_SUBJECT = re.compile(
    r"^(?:(?:the|this) (?:response|answer|assistant)|it)\b(?! is (?:clear|evident|important|worth) that)", re.IGNORECASE
)
_INNER_SUBJECT = re.compile(r"\b(?:the|this) (?:response|assistant)\b", re.IGNORECASE)
_GOOD = 4


def compose_feedback(placed: PlacedPair) -> str:
    """Compose the feedback of a pair: differences, commonality, verdict."""
    parts = (_quote(placed.a, "A"), _quote(placed.b, "B"), _conclude(placed.a, placed.b, placed.choice))
    return " ".join(parts)


def _quote(response: GradedResponse, letter: Choice) -> str:
    text = _shorten(" ".join(response.feedback.split()))
    name = f"Response {letter}"
    text, replaced = _SUBJECT.subn(name, text, count=1)
    text = _INNER_SUBJECT.sub(name, text)
    if not replaced and name not in text:
        text = f"{name}: {text}"
    return text if text[-1] in ".!?" else f"{text}."


def _shorten(feedback: str) -> str:
    if len(feedback.split()) <= MAX_WORDS_EACH:
        return feedback
    kept: list[str] = []
    count = 0
    for sentence in _SENTENCE_END.split(feedback)[:2]:
        count += len(sentence.split())
        if kept and count > MAX_WORDS_EACH:
            break
        kept.append(sentence)
    words = " ".join(kept).split()
    return " ".join(words) if len(words) <= MAX_WORDS_EACH else " ".join(words[:MAX_WORDS_EACH]).rstrip(",;:") + " ..."


def _conclude(one: GradedResponse, two: GradedResponse, choice: Choice) -> str:
    good = (one.score >= _GOOD) + (two.score >= _GOOD)
    shared = ("Neither does well, but", "Only one does well:", "Both do well, but")[good]
    return f"{shared} Response {choice} is better."
