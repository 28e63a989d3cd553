"""From a judge's completion to a verdict. Only the completion is read, never the prompt.

The last marker counts, since feedback may quote one. A verdict that is not plainly a whole score of the scale or one
letter is None: nothing is guessed, and what could not be parsed is counted (design rule 12).
"""

import re

from judgeforge.grading.records import SCORES, Choice, Format, Verdict

_DECORATION = r"[\s:*_(\[\"'`]*"
_CLOSING = r"[\s*_)\]\"'`.!]*"
_SCORE = re.compile(rf"{_DECORATION}(?:score{_DECORATION})?(\d+){_CLOSING}(?:/\s*(\d+){_CLOSING})?$", re.IGNORECASE)
_CHOICE = re.compile(rf"{_DECORATION}(?:response{_DECORATION})?([AB]){_CLOSING}$", re.IGNORECASE)


def _split_at_last(text: str, marker: str) -> tuple[str, str | None]:
    feedback, found, closing = text.rpartition(marker)
    return (feedback, closing) if found else (text, None)


def _first_line(text: str) -> str:
    """Take the verdict's line: models run on after it, and what they add is not the verdict."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[0] if lines else ""


def parse_score(text: str) -> int | None:
    """Read a whole score of the scale, as in ``4``, ``Score: 4``, ``(4)`` or ``4/5``; None for anything else."""
    match = _SCORE.match(_first_line(text))
    if not match or (match.group(2) and int(match.group(2)) != SCORES[-1]):
        return None
    score = int(match.group(1))
    return score if score in SCORES else None


def parse_choice(text: str) -> Choice | None:
    """Read ``A`` or ``B``, bare or as in ``Response A``; None for anything else."""
    match = _CHOICE.match(_first_line(text))
    if not match:
        return None
    return "A" if match.group(1).upper() == "A" else "B"


def parse_verdict(completion: str, format: Format, marker: str) -> Verdict:
    """Split a completion into feedback and verdict.

    Args:
        completion: the judge's own text, without the prompt.
        format: which kind of verdict is expected.
        marker: the template's result marker.
    """
    feedback, closing = _split_at_last(completion, marker)
    feedback = feedback.strip().removeprefix("Feedback:").strip()
    if closing is None:
        return Verdict(feedback=feedback)
    if format == "direct":
        return Verdict(feedback=feedback, score=parse_score(closing))
    return Verdict(feedback=feedback, choice=parse_choice(closing))
