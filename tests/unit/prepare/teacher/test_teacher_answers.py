"""Which answers will do: whatever a model says is worth something or nothing, and nothing crashes."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from judgeforge.errors import InputError
from judgeforge.params.teacher import TeacherParams
from judgeforge.prepare.teacher.tasks import FeedbackTask, ReferenceTask, RubricTask
from judgeforge.prepare.teacher.templates import load_teacher_template

PAIR = {"levels": ["no", "half", "yes"], "lowest": 1, "choice": "A"}
PAIRWISE = FeedbackTask(load_teacher_template("teacher-pairwise-1", "pairwise"))
DIRECT = FeedbackTask(load_teacher_template("teacher-direct-1", "direct"))
RUBRIC = RubricTask(load_teacher_template("teacher-rubric-1", "rubric"), 2)
REFERENCE = ReferenceTask(load_teacher_template("teacher-reference-1", "reference"))

PIECES = st.sampled_from(["[RESULT]", " A", " B", " 3", "\n", "Both are short.", "{", "}", '"', "Feedback:", ".", "10"])
ANSWERS = st.lists(PIECES, max_size=12).map("".join) | st.text()


@pytest.mark.parametrize(
    ("text", "whole", "result"),
    [
        ("Both. [RESULT] A", True, "agreed"),
        ("Feedback: Both. **[RESULT] A**.", True, "agreed"),
        ("Both. [RESULT] B", True, "disagreed"),
        ("Both. [RESULT] tie", True, "unparsable"),
        ("Both. [RESULT] A", False, "unparsable"),
        ("Both. [RESULT] A\nMore", False, "agreed"),
        ("[RESULT] A", True, "unparsable"),
        ("**[RESULT] A**", True, "unparsable"),
        ("It says [RESULT] twice, then [RESULT] A", True, "unparsable"),
        ("", True, "unparsable"),
    ],
)
def test_pairwise_answers(text, whole, result):
    outcome = PAIRWISE.check(PAIR, text, whole=whole)
    assert outcome.result == result
    assert outcome.values in ({}, {"feedback": "Both."}) and bool(outcome.values) == (result == "agreed")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Good. [RESULT] 10", "agreed"),
        ("Good. [RESULT] 10/10", "agreed"),
        ("Good. [RESULT] 10 out of 20", "unparsable"),
        ("Good. [RESULT] 1", "disagreed"),
        ("Good. [RESULT] 11", "unparsable"),
        ("Good. [RESULT] 0", "unparsable"),
        ("Good. [RESULT] 9.5", "unparsable"),
    ],
)
def test_direct_answers_on_a_scale_of_ten(text, result):
    row = {"levels": [f"{n}" for n in range(10)], "lowest": 1, "score": 10}
    assert DIRECT.check(row, text, whole=True).result == result


def test_a_scale_may_begin_at_nought():
    row = {"levels": ["fail", "pass"], "lowest": 0, "score": 0, "instruction": "i", "criteria": "c", "reference": None}
    results = [DIRECT.check(row, f"So. [RESULT] {score}", whole=True).result for score in range(3)]
    assert results == ["agreed", "disagreed", "unparsable"]
    text = DIRECT.render(row | {"response": "r"})[1]["content"]
    assert "from 0 to 1" in text and "Score 0: fail\nScore 1: pass" in text


@settings(deadline=None)
@given(ANSWERS, st.booleans())
def test_any_text_is_agreed_disagreed_or_unparsable_and_what_is_kept_can_be_taught(text, whole):
    for task, row in ((PAIRWISE, PAIR), (DIRECT, PAIR | {"score": 3}), (RUBRIC, {}), (REFERENCE, {})):
        outcome = task.check(row, text, whole=whole)
        assert outcome.result in ("agreed", "disagreed", "unparsable")
        assert bool(outcome.values) == (outcome.result == "agreed")
        feedback = outcome.values.get("feedback", "x")
        assert feedback.strip() and "[RESULT]" not in feedback


@settings(deadline=None)
@example({"criteria": "\x1f", "levels": ["0", "1"]}, "{}")
@given(
    st.fixed_dictionaries({"criteria": st.text(max_size=5), "levels": st.lists(st.text(max_size=3), max_size=4)}),
    st.sampled_from(["{}", "```json\n{}\n```", "Sure: {} Is that all?"]),
)
def test_a_rubric_is_kept_if_it_is_whole(rubric, around):
    outcome = RUBRIC.check({}, around.replace("{}", json.dumps(rubric)), whole=True)
    criteria, levels = rubric["criteria"].strip(), [level.strip() for level in rubric["levels"]]
    good = bool(criteria) and len(levels) == 2 and all(levels) and len(set(levels)) == 2
    assert outcome.values == ({"criteria": criteria, "levels": levels} if good else {})


def test_half_a_character_in_json_is_no_text():
    assert REFERENCE.check({}, '{"reference": "\\ud83d"}', whole=True).result == "unparsable"
    assert REFERENCE.check({}, '{"reference": "\\ud83d\\ude00"}', whole=True).values == {"reference": "\U0001f600"}


def test_braces_in_a_row_stay_as_they_are_and_the_known_verdict_is_not_shown():
    row = PAIR | {"instruction": "{criteria}", "criteria": "{levels}?", "reference": "{response_a}"}
    row |= {"response_a": "{response_b}", "response_b": "b", "feedback_a": "SECRET", "score_a": 3.0}
    text = PAIRWISE.render(row)[1]["content"]
    assert "### Instruction\n{criteria}\n" in text and "### Response A\n{response_b}\n" in text
    assert "{response_a}\n" in text and "Score 3: yes" in text and "SECRET" not in text


def test_templates_that_lack_a_field_or_a_marker_are_told(tmp_path):
    good = PAIRWISE.template.model_dump()
    path = tmp_path / "own.json"
    for change, words in (({"user": "x"}, "response_a"), ({"result_marker": " "}, "result_marker"), ({"x": 1}, "x:")):
        path.write_text(json.dumps(good | change))
        with pytest.raises(InputError, match=words):
            load_teacher_template(str(path), "pairwise")
    path.write_text(json.dumps(good | {"name": "own-1"}))
    assert load_teacher_template(str(path), "pairwise").name == "own-1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "endpoint"}, "at least one"),
        ({"kind": "batch", "endpoints": ("a", "b")}, "one file"),
        ({"kind": "endpoint", "endpoints": ("a", "a")}, "twice"),
        ({"write_rubrics": True}, "pairwise feedback only"),
    ],
)
def test_parameters_that_do_not_fit_together(change, words):
    values = {"kind": "offline", "endpoints": (), "templates": {}, "attempts": 1, "seed": 1, "temperature": 0.0}
    values["templates"] = dict.fromkeys(("pairwise", "direct", "rubric", "reference"), "x")
    values |= {"top_p": 1.0, "max_new_tokens": 10, "budget_tokens": None, "max_dropped_share": 0.1}
    values |= {"write_direct_feedback": False, "write_rubrics": False, "write_references": False, "rubric_levels": 5}
    assert TeacherParams.model_validate(values)
    with pytest.raises(ValidationError, match=words):
        TeacherParams.model_validate(values | change)
