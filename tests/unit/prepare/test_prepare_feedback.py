import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeforge.prepare.feedback import MAX_WORDS_EACH, OfflineTeacher


def compose(better, worse, choice, levels=5, lowest=1):
    (score_a, feedback_a), (score_b, feedback_b) = (better, worse) if choice == "A" else (worse, better)
    pair = {
        **{"score_a": float(score_a), "score_b": float(score_b), "choice": choice, "levels": ["l"] * levels},
        "lowest": lowest,
        **{"feedback_a": feedback_a, "feedback_b": feedback_b, "row_a": 0, "row_b": 1},
    }
    return OfflineTeacher().write_pairwise(pl.DataFrame([pair])).item()


@pytest.mark.parametrize(
    ("better", "worse", "choice", "expected"),
    [
        (
            (5, "It names both."),
            (3, "The response names one; the response is short."),
            "B",
            "Response A names one; Response A is short. Response B names both. "
            "Only one does well: Response B is better.",
        ),
        (
            (2, "No greeting"),
            (1, "It is clear that the response fails!"),
            "A",
            "Response A: No greeting. It is clear that Response B fails! Neither does well, but Response A is better.",
        ),
        (
            (5, "This response's tone is kind."),
            (4, "The answer is fine. It is short. And so on."),
            "A",
            "Response A's tone is kind. Response B is fine. It is short. And so on. "
            "Both do well, but Response A is better.",
        ),
    ],
)
def test_teacher_composes_a_then_b_then_verdict(better, worse, choice, expected):
    assert compose(better, worse, choice) == expected


@pytest.mark.parametrize(
    ("scores", "levels", "lowest", "shared"),
    [
        ((8, 7), 10, 1, "Only one"),
        ((10, 8), 10, 1, "Both"),
        ((2, 1), 2, 1, "Only one"),
        ((2, 1), 3, 1, "Neither"),
        ((1, 0), 2, 0, "Only one"),
        ((7, 6), 10, 0, "Only one"),
    ],
)
def test_what_does_well_follows_the_scale(scores, levels, lowest, shared):
    assert f" {shared} do" in compose((scores[0], "It is."), (scores[1], "It is not."), "A", levels, lowest)


WORDS = st.lists(st.sampled_from(["word", "end.", "It", "(and", "Stop!", "x.", "\n"]), min_size=1, max_size=300)


@given(WORDS)
def test_teacher_bounds_long_feedback(words):
    feedback = "It " + " ".join(words)
    text = compose((5, feedback), (1, "It fails."), "A")
    assert len(text.split()) <= MAX_WORDS_EACH + 15
    assert text.endswith("Only one does well: Response A is better.")


def shorten(feedback):
    """Say the rule in plain Python: two sentences within the bound, or one, cut at the bound."""
    if len(feedback.split()) <= MAX_WORDS_EACH:
        return feedback
    sentences = re.split(r"(?<=[.!?]) (?=[A-Z\"'(])", feedback)[:2]
    both = " ".join(sentences)
    kept = both if len(both.split()) <= MAX_WORDS_EACH else sentences[0]
    words = kept.split()
    return kept if len(words) <= MAX_WORDS_EACH else " ".join(words[:MAX_WORDS_EACH]).rstrip(",;:") + " ..."


@given(WORDS)
def test_shortening_keeps_whole_sentences_where_they_fit(words):
    feedback = " ".join(f"Response A {' '.join(words)}".split())
    expected = shorten(feedback)
    expected = expected if expected[-1] in ".!?" else f"{expected}."
    # The feedback names its response, so that it is quoted as it is.
    assert compose((5, feedback), (1, "It fails."), "A").startswith(f"{expected} Response B fails.")
