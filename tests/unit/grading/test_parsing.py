"""From completion to verdict: what is a verdict, what is none, and that nothing is guessed."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeforge.grading.parsing import is_settled, parse_verdict
from judgeforge.grading.records import SCORES, Verdict
from judgeforge.grading.rendering import render_verdict
from judgeforge.grading.templates import load_template

TEMPLATE = load_template("judgeforge-1")
MARKER = TEMPLATE.result_marker
DOCUMENT = Path(__file__).parents[3] / "docs" / "judging.md"


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
        ("4 out of 5", 4),
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
    assert parse_verdict(f"Fine. {MARKER} {text}", "direct", MARKER).score == score


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
        ("A/5", None),
        ("C", None),
        ("tie", None),
        ("1", None),
        ("", None),
    ],
)
def test_choices(text: str, choice: str | None) -> None:
    assert parse_verdict(f"Fine. {MARKER} {text}", "pairwise", MARKER).choice == choice


def test_feedback_may_quote_the_marker() -> None:
    completion = f"Feedback: It quotes {MARKER} 1 itself. {MARKER} 4"
    assert parse_verdict(completion, "direct", MARKER) == Verdict(feedback=f"It quotes {MARKER} 1 itself.", score=4)


def test_of_two_verdicts_the_first_counts() -> None:
    assert parse_verdict(f"Good. {MARKER} 4\n\nOn reflection. {MARKER} 2", "direct", MARKER).score == 4
    assert parse_verdict(f"Good. {MARKER} B {MARKER} A", "pairwise", MARKER) == Verdict(feedback="Good.", choice="B")


@pytest.mark.parametrize("first", ["9", "4.5", "A"])
def test_a_verdict_without_meaning_is_not_mended_by_a_later_one(first: str) -> None:
    verdict = parse_verdict(f"Good. {MARKER} {first}\nAgain. {MARKER} 4", "direct", MARKER)
    assert verdict == Verdict(feedback="Good.")


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


PIECES = st.lists(
    st.sampled_from(["Good", " ", "\n", MARKER, f"{MARKER} 4", "4", "10", "/5", "A", "B", ".", "9", "Score", "or"]),
    max_size=12,
).map("".join)


@given(PIECES, PIECES, st.sampled_from(["direct", "pairwise"]))
def test_no_text_behind_a_settled_verdict_changes_it(text: str, more: str, format: str) -> None:
    if is_settled(text, MARKER):
        assert parse_verdict(text + more, format, MARKER) == parse_verdict(text, format, MARKER)  # type: ignore[arg-type]
    # Stopping at the first settled prefix gives the verdict of the whole.
    whole = text + more
    for end in range(len(whole)):
        if is_settled(whole[:end], MARKER):
            stopped = parse_verdict(whole[:end], format, MARKER)  # type: ignore[arg-type]
            assert stopped == parse_verdict(whole, format, MARKER)  # type: ignore[arg-type]
            break


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        (f"Good. {MARKER} 4", False),
        (f"Good. {MARKER} 4\n", True),
        (f"Good. {MARKER} 9\n", True),
        (f"Good. {MARKER}\n", False),
        (f"Good. {MARKER} 4 because\n", False),
        (f"Good. {MARKER} 4 {MARKER}", True),
        ("Good. 4\n", False),
    ],
)
def test_a_verdict_is_settled_once_its_line_is_over(text: str, settled: bool) -> None:
    assert is_settled(text, MARKER) is settled


@given(st.text(), st.sampled_from(SCORES))
def test_what_a_judge_is_taught_to_write_comes_back(feedback: str, score: int) -> None:
    written = render_verdict(Verdict(feedback=feedback, score=score), TEMPLATE)
    assert parse_verdict(written, "direct", MARKER).score == score


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "P", "Zs"])), st.sampled_from("AB"))
def test_what_a_judge_is_taught_to_prefer_comes_back(feedback: str, choice: str) -> None:
    written = render_verdict(Verdict(feedback=feedback, choice=choice), TEMPLATE)  # type: ignore[arg-type]
    assert parse_verdict(written, "pairwise", MARKER).choice == choice


def read_documented_cases() -> list[tuple[str, str, str]]:
    rows = re.findall(r"^\| `` (.*?) `` \| (direct|pairwise) \| (\w+) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    return [(text.replace("⏎", "\n"), format, decision) for text, format, decision in rows]


def test_the_document_has_cases() -> None:
    assert len(read_documented_cases()) > 20


@pytest.mark.parametrize(("text", "format", "decision"), read_documented_cases())
def test_the_documented_cases_are_decided_as_documented(text: str, format: str, decision: str) -> None:
    verdict = parse_verdict(text, format, MARKER)  # type: ignore[arg-type]
    assert str(verdict.score or verdict.choice or "none") == decision
