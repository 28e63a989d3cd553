"""Feedback that does not go with its score, as far as a cheap look can tell.

It states another score ("a score of 2"), or it condemns the highest score or praises the lowest in strong words. What
is said of a score that was missed ("short of a score of 5") is no statement. English words only.
"""

import re

import polars as pl

from judgeforge.prepare.quality.findings import Flags, build_reasons

_MENTION = (
    r"(?i)(?:\b(?:scor(?:e|ed|ing)|rat(?:e|ed|ing)|grad(?:e|ed)|marks?|verdict)\b"
    r"(?:\s+(?:of|is|as|at|a|an|this|it|the|response|would|be|to)\b)*[\s:=\"']*|\[RESULT\]\s*)"
    r"(?P<score>\d{1,3})\b(?!\s*[-–]\s*\d|\.\d|%)"
)
_MISSED = re.compile(
    r"(?i)\b(?:short|required?|needed|necessary|needs?|expect(?:ed)?|reach|achieve|warrant|merit|deserve|get|not|n't|than|"
    r"from|instead|rather|higher|lower|above|below|between|for)\b[^.;!?]{0,40}$"
)
_CANDIDATE = r"(?i)scor|rat(?:e|ed|ing)\b|grade|mark|verdict|result"
_PRAISE = (
    r"(?i)\b(?:excellent(?:ly)?|exceptional(?:ly)?|outstanding|flawless(?:ly)?|perfect(?:ly)?|superb(?:ly)?|exemplary|"
    r"impeccabl[ey]|fully (?:meets?|satisf(?:y|ies)|addresses))\b"
)
_BLAME = (
    r"(?i)\b(?:completely (?:fails?|misses|ignores|wrong|irrelevant|incorrect)|fails? (?:completely|entirely)|"
    r"entirely (?:fails?|wrong|irrelevant|incorrect)|totally (?:wrong|irrelevant|incorrect)|nonsens(?:e|ical)|"
    r"gibberish|useless|terrible|awful|does not (?:answer|address) the (?:question|instruction|request) at all)\b"
)


def measure_contradictions(rows: pl.DataFrame) -> pl.DataFrame:
    """Say of each row what contradicts its score: ``stated`` and ``tone``; null: nothing.

    Args:
        rows: graded ones; those without feedback are left alone.
    """
    return pl.DataFrame({"stated": _find_stated(rows), "tone": _find_tone(rows)})


def find_contradictions(measured: pl.DataFrame) -> Flags:
    """Find rows whose feedback and score disagree.

    Args:
        measured: the columns of ``measure_contradictions``.
    """
    stated, tone = measured["stated"], measured["tone"]
    reasons = measured.select(pl.coalesce("stated", "tone")).to_series().alias("reason")
    only_tone = tone.is_not_null() & stated.is_null()
    return Flags(reasons, {"stated": int(stated.is_not_null().sum()), "tone": int(only_tone.sum())})


def list_stated_scores(feedback: str) -> list[int]:
    """List the scores that a feedback states of its response."""
    return [
        int(found["score"])
        for found in re.finditer(_MENTION, feedback)
        if not _MISSED.search(feedback[max(0, found.start() - 60) : found.start()])
    ]


def _find_stated(rows: pl.DataFrame) -> pl.Series:
    reasons: list[str | None] = [None] * rows.height
    # Few feedbacks hold a digit at all.
    digits = rows.select((pl.col("feedback").str.contains("[0-9]")).fill_null(False)).to_series().arg_true()
    places = digits.filter(rows["feedback"].gather(digits).str.contains(_CANDIDATE))
    for place, (feedback, score) in zip(places, rows[places].select("feedback", "score").iter_rows(), strict=True):
        scores = list_stated_scores(feedback)
        if scores and score not in scores:
            reasons[place] = f"the feedback states the score {scores[-1]}, the row {score}"
    return pl.Series("reason", reasons, dtype=pl.String)


def _find_tone(rows: pl.DataFrame) -> pl.Series:
    highest = pl.col("levels").list.len().cast(pl.Int64) + pl.col("lowest") - 1
    ends = rows.select(low=pl.col("score") == pl.col("lowest"), high=pl.col("score") == highest)
    praised, blamed = (pl.col("feedback").str.count_matches(words).fill_null(0) for words in (_PRAISE, _BLAME))
    reasons = build_reasons(rows.height)
    for end, first, second, text in (
        ("low", praised >= 2, blamed == 0, "the feedback praises a response with the lowest score"),
        ("high", blamed >= 1, praised == 0, "the feedback condemns a response with the highest score"),
    ):
        places = ends[end].arg_true()
        # One after the other: what the first finds is little.
        for wrong in (first, second):
            places = places.filter(rows["feedback"].gather(places).to_frame().select(wrong).to_series())
        reasons = reasons.scatter(places, text)
    return reasons
