"""From a judge's completion to a verdict, by one grammar for both formats. The prompt is never read.

The first verdict after the feedback counts. A marker with prose behind it is part of the feedback, which may quote one;
a marker with a verdict of no meaning behind it (``[RESULT] 9``) closes the completion without a verdict: nothing is
guessed, and what could not be parsed is counted (design rule 12). docs/judging.md has the table of cases.
"""

import json
import re
from dataclasses import dataclass

from judgeforge.grading.records import FIVE_POINTS, Choice, Format, Scale, Verdict

_OPENING = r"[\s:*_(\[\"'`]*"
_CLOSING = r"[\s*_)\]\"'`.!]*"
_LABEL = rf"(?:(?:score|response|answer){_OPENING})?"
_VALUE = r"(?P<value>[+-]?\d+(?:[.,]\d+)?|[A-Za-z]|tie)"
_JSON_VALUE = r"(?P<value>[+-]?\d+(?:\.\d+)?|[A-Za-z]|tie)"
_SCALE = rf"(?:(?:/|out of)\s*(?P<scale>\d+){_CLOSING})?"
_BEFORE = re.compile(rf"{_OPENING}{_LABEL}$", re.IGNORECASE)
_VERDICT = re.compile(rf"{_OPENING}{_LABEL}{_VALUE}{_CLOSING}{_SCALE}$", re.IGNORECASE)
"""What the closing line holds if it is meant as a verdict, with or without a meaning in the format at hand."""

JSON_MARKER = '"verdict":'
"""The marker of templates whose judges close as JSON: the last key of an object whose first is ``feedback``."""
_JSON_VERDICT = re.compile(rf"{_OPENING}{_LABEL}{_JSON_VALUE}{_CLOSING}{_SCALE}(?P<end>[}},]?)", re.IGNORECASE)
_JSON_FEEDBACK = re.compile(r'\s*\{\s*"feedback"\s*:\s*(?P<text>".*")\s*,\s*$', re.DOTALL)


@dataclass(frozen=True)
class _Closing:
    start: int
    value: str
    scale: str | None
    settled: bool


def _find_closing(text: str, marker: str) -> _Closing | None:
    """Find the first marker with a verdict on its line or, where that is blank, on the next that is not."""
    start = text.find(marker)
    while start >= 0:
        following = text.find(marker, start + len(marker))
        tail = text[start + len(marker) : following if following >= 0 else None]
        content = tail.lstrip()
        line, line_break, _ = content.partition("\n")
        match = _match(line, marker)
        if match:
            ended = bool(line_break) or following >= 0 or bool(match.groupdict().get("end"))
            return _Closing(start, match["value"], match["scale"], ended)
        start = following
    return None


def _match(line: str, marker: str) -> re.Match[str] | None:
    if marker != JSON_MARKER:
        return _VERDICT.match(line)
    found = _JSON_VERDICT.match(line)
    # Nothing but the object's end, or a further key, may follow.
    return found if found and (found["end"] or found.end() == len(line)) else None


def _read_feedback(text: str, marker: str) -> str:
    if marker == JSON_MARKER and (found := _JSON_FEEDBACK.match(text)):
        try:
            return str(json.loads(found["text"], strict=False)).strip()
        except json.JSONDecodeError:
            return text.strip()
    return text.strip().removeprefix("Feedback:").strip()


def _read_score(closing: _Closing, scale: Scale) -> int | None:
    if closing.scale is not None and closing.scale != str(scale.highest):
        return None
    return next((score for score in scale.scores if closing.value == str(score)), None)


def _read_choice(closing: _Closing) -> Choice | None:
    if closing.scale is not None:
        return None
    return {"A": "A", "B": "B"}.get(closing.value.upper())  # type: ignore[return-value]


def parse_verdict(completion: str, format: Format, marker: str, scale: Scale = FIVE_POINTS) -> Verdict:
    """Split a completion into feedback and verdict.

    Args:
        completion: the judge's own text, without the prompt.
        format: which kind of verdict is expected.
        marker: the template's result marker; ``JSON_MARKER`` has JSON's own quotes and ends.
        scale: of the item's rubric; a score that is not on it is none.
    """
    closing = _find_closing(completion, marker)
    text = completion if closing is None else completion[: closing.start]
    feedback = _read_feedback(text, marker)
    if closing is None:
        return Verdict(feedback=feedback)
    if format == "direct":
        return Verdict(feedback=feedback, score=_read_score(closing, scale))
    return Verdict(feedback=feedback, choice=_read_choice(closing))


def is_settled(completion: str, marker: str) -> bool:
    """Tell whether no further text could change the verdict, so that generation may stop.

    A verdict at the very end is not settled: ``[RESULT] 1`` may go on as ``10``, or as ``1 of the five ...``.
    """
    closing = _find_closing(completion, marker)
    return closing is not None and closing.settled


def awaits_verdict(following: str) -> bool:
    """Tell whether a verdict could come next: what follows the marker so far may all stand before one.

    Args:
        following: the text behind the last marker.
    """
    return _BEFORE.match(following) is not None
