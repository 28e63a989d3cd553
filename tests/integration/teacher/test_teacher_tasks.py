"""What else a teacher writes: direct feedback checked by the known score, rubrics and reference answers in JSON."""

import json

import polars as pl
import pytest

from judgeforge.errors import InputError
from tests.integration.endpoint.conftest import say

from .conftest import find_number, teach

LEVELS = ["fail", "weak", "fair", "good", "very good", "pass"]


def test_direct_feedback_is_checked_by_the_score_on_any_scale(servers, build):
    rows = [
        {"row_id": f"own:{n}", "instruction": f"Say <{n}>.", "reference": None, "criteria": "Said?", "lowest": n % 2}
        | {"levels": LEVELS[: 2 if n < 2 else 6], "response": f"{n}", "score": n % 2 + n // 2}
        for n in range(6)
    ]
    server = servers()
    server.script = lambda n, body: say(
        f"So so. [RESULT] {find_number(body) % 2 + find_number(body) // 2 + (n == 0 and find_number(body) == 3)}"
    )
    texts, counts = teach(build(server), "direct", pl.DataFrame(rows, schema_overrides={"reference": pl.String}))
    assert texts == ["So so."] * 6 and counts["answers"] == {"agreed": 6, "disagreed": 1}
    shown = {find_number(body): body["messages"][-1]["content"] for body in server.bodies}
    assert "from 1 to 2" in shown[1] and "Score 2: weak" in shown[1] and "Score 3" not in shown[1]
    assert "from 0 to 5" in shown[4] and "Score 0: fail" in shown[4] and "Score 5: pass" in shown[4]
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
    rows = pl.DataFrame({"instruction": [f"Say <{n}>." for n in range(5)]})
    rubrics, counts = teach(build(server, settings={"json_schema": True}), "rubric", rows)
    # The array around an object is passed over, as a fence is.
    assert [rubrics[n] for n in (0, 1, 2, 4)] == [("Is it clear?", ["no", "half", "yes"])] * 4
    assert rubrics[3] == (None, None) and counts["dropped_for"] == {"unparsable": 1}
    schema = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["levels"]["minItems"] == 3 and "3 levels" in server.bodies[0]["messages"][1]["content"]


def test_references_are_written_by_the_rubric(servers, build):
    server = servers()
    server.script = lambda n, body: say('{"reference": "Seven."}' if find_number(body) == 7 else '{"answer": 1}')
    rubric = {"criteria": "Said?", "levels": LEVELS, "lowest": 1}
    rows = pl.DataFrame([{"instruction": f"Say <{n}>."} | rubric for n in (7, 8)])
    references, counts = teach(build(server, attempts=2), "reference", rows)
    assert references == ["Seven.", None] and counts["dropped_for"] == {"unparsable": 1}
    assert "Score 6: pass" in server.bodies[0]["messages"][1]["content"]
    assert "response_format" not in server.bodies[0]


def test_too_many_dropped_rows_of_all_frames_fail_the_stage_as_soon_as_that_is_certain(servers, build):
    server = servers()
    server.script = lambda n, body: say("{}" if find_number(body) < 6 else '{"reference": "Yes."}')
    rows = pl.DataFrame([{"instruction": f"Say <{n}>.", "criteria": "Said?", "levels": LEVELS} for n in range(40)])
    frames = rows.with_columns(lowest=pl.lit(1)).iter_slices(4)
    options = {"settings": {"concurrency": 1}, "attempts": 1}
    with pytest.raises(InputError, match=r"5 of 40 rows \(reference: unparsable 5\).*max_dropped_share"):
        teach(build(server, max_dropped_share=0.1, **options), "reference", *frames)
    assert len(server.bodies) == 5
    frames = rows.with_columns(lowest=pl.lit(1)).iter_slices(4)
    # The first frame is dropped whole, but of all rows that is less than the share.
    references, _ = teach(build(server, max_dropped_share=0.15, **options), "reference", *frames)
    assert references == [None] * 6 + ["Yes."] * 34 and len(server.bodies) == 40


def test_nothing_to_write_asks_nothing(servers, build):
    server = servers()
    nothing = pl.DataFrame(schema={"instruction": pl.String})
    teacher = build(server, max_dropped_share=0.0)
    teacher.ask({"rubric": lambda: iter([])})
    assert dict(teacher.write_rubrics(nothing).schema) == {"criteria": pl.String(), "levels": pl.List(pl.String())}
    assert teacher.describe()["tasks"]["rubric"]["rows"] == 0 and not server.bodies


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
