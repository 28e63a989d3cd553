"""Verdicts as JSON: taught and read by the same contract as the marker's."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeforge.engines.protocol import Generation, check_closing
from judgeforge.errors import InputError
from judgeforge.grading.parsing import JSON_MARKER, is_settled, parse_verdict
from judgeforge.grading.records import Verdict
from judgeforge.grading.rendering import render_verdict
from judgeforge.grading.templates import load_template

TEMPLATE = load_template("judgeforge-json-1")
FEEDBACK = st.text(min_size=1).map(str.strip).filter(bool)


@given(feedback=FEEDBACK | st.just('It says "verdict": 3, [RESULT] 4.'), score=st.integers(1, 5))
def test_what_is_taught_is_read_back_whatever_the_feedback(feedback: str, score: int) -> None:
    taught = render_verdict(Verdict(feedback=feedback, score=score), TEMPLATE)
    assert json.loads(taught) == {"feedback": feedback, "verdict": score}
    assert parse_verdict(taught, "direct", JSON_MARKER) == Verdict(feedback=feedback, score=score)
    assert is_settled(taught, JSON_MARKER) and not is_settled(taught[:-1], JSON_MARKER)


@given(feedback=FEEDBACK, choice=st.sampled_from("AB"))
def test_pairs_are_read_back_too(feedback: str, choice: str) -> None:
    taught = render_verdict(Verdict(feedback=feedback, choice=choice), TEMPLATE)
    assert parse_verdict(taught, "pairwise", JSON_MARKER) == Verdict(feedback=feedback, choice=choice)


@pytest.mark.parametrize(
    ("text", "format", "expected"),
    [
        ('{\n  "feedback": "Good.",\n  "verdict": 4\n}', "direct", 4),
        ('{"feedback": "Good.", "verdict": "4"}', "direct", 4),
        ('{"feedback": "Good.", "verdict": 4, "more": 1}', "direct", 4),
        ('```json\n{"feedback": "Good.", "verdict": 4}\n```', "direct", 4),
        ('{"feedback": "Good.", "verdict": 9}', "direct", None),
        ('{"feedback": "Good.", "verdict": 4.5}', "direct", None),
        ('{"feedback": "Good.", "verdict": null}', "direct", None),
        ('{"feedback": "Good.", "verdict": "A"}', "direct", None),
        ('{"feedback": "Good.", "verdict": "B"}', "pairwise", "B"),
        ('{"feedback": "Good.", "verdict": "tie"}', "pairwise", None),
        ('{"feedback": "Good. [RESULT] 4"}', "direct", None),
        ('{"feedback": "Good.", "verdi', "direct", None),
        ("", "direct", None),
    ],
)
def test_cases(text: str, format: str, expected: object) -> None:
    verdict = parse_verdict(text, format, JSON_MARKER)  # type: ignore[arg-type]
    assert (verdict.score if format == "direct" else verdict.choice) == expected


PIECES = st.lists(
    st.sampled_from(
        ['{"feedback": "Good", ', JSON_MARKER, " ", '"', "4", "5", "9", ",", ".", "}", "A", "tie", "\n", "4,5}"]
    ),
    max_size=12,
).map("".join)


@given(PIECES, PIECES, st.sampled_from(["direct", "pairwise"]))
def test_stopping_at_a_settled_verdict_gives_the_verdict_of_the_whole(text: str, more: str, format: str) -> None:
    whole = text + more
    ends = [end for end in range(len(whole)) if is_settled(whole[:end], JSON_MARKER)]
    for end in ends[:1]:
        stopped, all_of_it = (
            parse_verdict(each, format, JSON_MARKER)  # type: ignore[arg-type]
            for each in (whole[:end], whole)
        )
        assert (stopped.score, stopped.choice) == (all_of_it.score, all_of_it.choice)


def test_a_constraint_on_json_is_refused() -> None:
    values = {"max_new_tokens": 9, "max_prompt_tokens": 9, "temperature": 0, "top_p": 1, "repetition_penalty": 1}
    generation = Generation.model_validate(values | {"seed": 0, "constrained": True})
    with pytest.raises(InputError, match="closes as JSON"):
        check_closing(generation, TEMPLATE.result_marker)
    check_closing(generation, "[RESULT]")
