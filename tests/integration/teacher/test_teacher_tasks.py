"""What else a teacher writes: direct feedback checked by the known score, rubrics and reference answers in JSON."""

import json

import polars as pl
import pytest
from endpoint.conftest import say

from judgeforge.errors import InputError
from judgeforge.prepare.teacher import DIRECT, REFERENCE, RUBRIC

from .conftest import find_number

LEVELS = ["fail", "weak", "fair", "good", "very good", "pass"]


def test_direct_feedback_is_checked_by_the_score_on_any_scale(servers, build):
    rows = [
        {"row_id": f"own:{n}", "instruction": f"Say <{n}>.", "reference": None, "criteria": "Said?"}
        | {"levels": LEVELS[: 2 if n < 2 else 6], "response": f"{n}", "score": n + 1}
        for n in range(6)
    ]
    server = servers()
    server.script = lambda n, body: say(
        f"So so. [RESULT] {find_number(body) + 1 + (n == 0 and find_number(body) == 3)}"
    )
    written = build(server).write_direct_feedback(pl.DataFrame(rows, schema=DIRECT))
    assert written.texts.rows() == [(f"own:{n}", "So so.") for n in range(6)]
    assert written.counts["answers"] == {"agreed": 6, "disagreed": 1}
    shown = {find_number(body): body["messages"][-1]["content"] for body in server.bodies}
    assert "from 1 to 2" in shown[1] and "Score 2: weak" in shown[1] and "Score 3" not in shown[1]
    assert "from 1 to 6" in shown[4] and "Score 6: pass" in shown[4]
    assert all("###" in text and "reference" not in text.lower() for text in shown.values())


def test_rubrics_are_json_of_as_many_different_levels_as_asked(servers, build):
    good = {"criteria": " Is it clear? ", "levels": ["no", "half", "yes"]}
    answers = {
        0: [json.dumps(good)],
        1: [f"Here it is:\n```json\n{json.dumps(good)}\n```"],
        2: [json.dumps(good | {"levels": ["no", "yes"]}), json.dumps(good)],
        3: ["{" * 9000, "no JSON", json.dumps(good | {"levels": ["no", "no ", "yes"]})],
        4: [json.dumps(good | {"criteria": " "}), json.dumps(good | {"more": 1}), json.dumps([good])],
    }
    server = servers()
    server.script = lambda n, body: say(answers[find_number(body)][n])
    rows = pl.DataFrame({"prompt_id": [f"{n}" for n in range(5)], "instruction": [f"Say <{n}>." for n in range(5)]})
    written = build(server, settings={"json_schema": True}).write_rubrics(rows.cast(RUBRIC))
    # The array around an object is passed over, as a fence is.
    assert written.texts.rows() == [(f"{n}", "Is it clear?", ["no", "half", "yes"]) for n in (0, 1, 2, 4)]
    assert written.dropped.rows() == [("3", "unparsable")]
    schema = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["levels"]["minItems"] == 3 and "3 levels" in server.bodies[0]["messages"][1]["content"]


def test_references_are_written_by_the_rubric(servers, build):
    server = servers()
    server.script = lambda n, body: say('{"reference": "Seven."}' if find_number(body) == 7 else '{"answer": 1}')
    rows = [{"prompt_id": f"{n}", "instruction": f"Say <{n}>.", "criteria": "Said?", "levels": LEVELS} for n in (7, 8)]
    written = build(server, attempts=2).write_references(pl.DataFrame(rows, schema=REFERENCE))
    assert written.texts.rows() == [("7", "Seven.")] and written.dropped.rows() == [("8", "unparsable")]
    assert "Score 6: pass" in server.bodies[0]["messages"][1]["content"]
    assert "response_format" not in server.bodies[0]


def test_too_many_dropped_rows_fail_the_stage(servers, build):
    server = servers()
    server.script = lambda n, body: say("{}")
    rows = pl.DataFrame({"prompt_id": ["1"], "instruction": ["Say <1>."]}, schema=RUBRIC)
    with pytest.raises(InputError, match=r"1 of 1 rows \(rubric: unparsable 1\).*max_dropped_share"):
        build(server, max_dropped_share=0.5).write_rubrics(rows)


def test_nothing_to_write_asks_nothing(servers, build):
    server = servers()
    written = build(server, max_dropped_share=0.0).write_rubrics(pl.DataFrame(schema=RUBRIC))
    columns = {"prompt_id": pl.String(), "criteria": pl.String(), "levels": pl.List(pl.String())}
    assert dict(written.texts.schema) == columns and written.texts.is_empty()
    assert dict(written.dropped.schema) == {"prompt_id": pl.String(), "reason": pl.String()}
    assert not server.bodies


def test_settings_that_do_not_fit_together_are_told(servers, build, tmp_path):
    with pytest.raises(InputError, match=r"attempts to 1"):
        build(servers(), temperature=0.0)
    with pytest.raises(InputError, match="share one budget"):
        build(servers(), settings={"budget_tokens": 5})
    with pytest.raises(InputError, match="asks for direct"):
        templates = dict.fromkeys(("pairwise", "direct", "rubric", "reference"), "teacher-direct-1")
        build(servers(), templates=templates)
    with pytest.raises(InputError, match=r"There is no teacher template 'x'.*teacher-pairwise-1"):
        build(servers(), templates=dict.fromkeys(("pairwise", "direct", "rubric", "reference"), "x"))
    first, second = servers(), servers()
    teacher = build(first, second)
    (tmp_path / "endpoint-1.yaml").write_text((tmp_path / "endpoint-1.yaml").read_text().replace("some-", "other-"))
    names = [str(tmp_path / f"endpoint-{number}.yaml") for number in range(2)]
    with pytest.raises(InputError, match="differ in model"):
        type(teacher)(teacher._params.model_copy(update={"endpoints": tuple(names)}), tmp_path / "answers.sqlite")
