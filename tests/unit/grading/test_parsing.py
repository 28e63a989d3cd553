"""From completion to verdict: what is a verdict, what is none, and that nothing is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeforge.grading.parsing import parse_choice, parse_score, parse_verdict
from judgeforge.grading.records import SCORES, Verdict
from judgeforge.grading.rendering import render_verdict
from judgeforge.grading.templates import load_template

TEMPLATE = load_template("judgeforge-1")
MARKER = TEMPLATE.result_marker


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("4", 4),
        (" 4\n", 4),
        ("4.", 4),
        ("(4)", 4),
        ("[4]", 4),
        ("**4**", 4),
        ("Score: 4", 4),
        ("score 4", 4),
        ("**Score:** 4", 4),
        ("4/5", 4),
        ("4 / 5.", 4),
        ("\n\n3", 3),
        ("2\nScore 5: excellent", 2),
        ("0", None),
        ("6", None),
        ("10", None),
        ("44", None),
        ("-3", None),
        ("4/10", None),
        ("4.5", None),
        ("3.0", None),
        ("4 or 5", None),
        ("4, since it is short", None),
        ("four", None),
        ("A", None),
        ("", None),
        (" \n ", None),
    ],
)
def test_scores(text: str, score: int | None) -> None:
    assert parse_score(text) == score


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("A", "A"),
        (" b.", "B"),
        ("**A**", "A"),
        ("(B)", "B"),
        ("Response A", "A"),
        ("response: B", "B"),
        ("B\nA", "B"),
        ("AB", None),
        ("A or B", None),
        ("A is better", None),
        ("C", None),
        ("tie", None),
        ("1", None),
        ("", None),
    ],
)
def test_choices(text: str, choice: str | None) -> None:
    assert parse_choice(text) == choice


def test_feedback_and_verdict_are_parted_at_the_last_marker() -> None:
    completion = f"Feedback: It quotes {MARKER} 1 itself. {MARKER} 4"
    assert parse_verdict(completion, "direct", MARKER) == Verdict(feedback=f"It quotes {MARKER} 1 itself.", score=4)


def test_without_a_marker_all_is_feedback_and_no_number_is_taken_for_a_score() -> None:
    verdict = parse_verdict("The answer is fine. 4", "direct", MARKER)
    assert verdict == Verdict(feedback="The answer is fine. 4")
    assert not verdict.parsed


def test_a_verdict_of_the_other_format_is_none() -> None:
    assert parse_verdict(f"Fine. {MARKER} A", "direct", MARKER) == Verdict(feedback="Fine.")
    assert parse_verdict(f"Fine. {MARKER} 4", "pairwise", MARKER) == Verdict(feedback="Fine.")


@given(st.text(), st.sampled_from(["direct", "pairwise"]))
def test_any_text_is_parsed_without_fail_and_never_out_of_scale(text: str, format: str) -> None:
    verdict = parse_verdict(text, format, MARKER)  # type: ignore[arg-type]
    assert verdict.score is None or (format == "direct" and verdict.score in SCORES)
    assert verdict.choice is None or (format == "pairwise" and verdict.choice in ("A", "B"))
    assert MARKER in text or not verdict.parsed


@given(st.text(), st.sampled_from(SCORES))
def test_what_a_judge_is_taught_to_write_comes_back(feedback: str, score: int) -> None:
    written = render_verdict(Verdict(feedback=feedback, score=score), TEMPLATE)
    assert parse_verdict(written, "direct", MARKER).score == score


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "P", "Zs"])), st.sampled_from("AB"))
def test_what_a_judge_is_taught_to_prefer_comes_back(feedback: str, choice: str) -> None:
    written = render_verdict(Verdict(feedback=feedback, choice=choice), TEMPLATE)  # type: ignore[arg-type]
    assert parse_verdict(written, "pairwise", MARKER).choice == choice
