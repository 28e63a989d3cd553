"""Scales other than 1 to 5: what is asked, what is read, and that nothing of the five points has changed."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from judgeforge.engines.journal import compute_question_key
from judgeforge.engines.protocol import Conversation
from judgeforge.errors import InputError
from judgeforge.grading.parsing import JSON_MARKER, is_settled, parse_verdict
from judgeforge.grading.records import FIVE_POINTS, DirectItem, PairwiseItem, Rubric, Scale, TrainingExample, Verdict
from judgeforge.grading.rendering import render_prompt, render_verdict
from judgeforge.grading.templates import JudgeTemplate, load_template

ONE, ANY, JSON = (load_template(name) for name in ("judgeforge-1", "judgeforge-2", "judgeforge-json-1"))
DOCUMENT = Path(__file__).parents[3] / "docs" / "judging.md"
GOLDEN = Path(__file__).parent / "golden"
PASS_FAIL = Rubric(criteria="Is the sum right?", levels=("It is not.", "It is."), lowest=0)
TEN = Rubric(criteria="Is the sum right?", levels=tuple(f"Grade {number}." for number in range(1, 11)))
FIVE = Rubric(criteria="Is the sum right?", levels=("No sum.", "Far off.", "Near.", "Right, no steps.", "Right."))
SHARED = {"item_id": "1", "prompt_id": "1", "instruction": "Add 2 and {3}."}


def ask(item: DirectItem | PairwiseItem, template: JudgeTemplate = ANY) -> str:
    return render_prompt(item, template)[1]["content"]


@pytest.mark.parametrize(
    ("name", "item"),
    [
        (
            "direct-pass-fail",
            DirectItem(**SHARED, response="It is {levels}.", reference="{highest} = 5", rubric=PASS_FAIL),
        ),
        ("direct-one-to-ten", DirectItem(**SHARED, response="5", rubric=TEN)),
        ("pairwise-pass-fail", PairwiseItem(**SHARED, response_a="5", response_b="6", rubric=PASS_FAIL)),
    ],
)
def test_golden_prompts(name: str, item: DirectItem | PairwiseItem) -> None:
    assert ask(item).encode() == (GOLDEN / f"{name}.txt").read_bytes()


TEXT = st.text(min_size=1, max_size=8).filter(str.strip) | st.sampled_from(["{level_1}", "{levels}", "{highest}", "}"])


@given(st.tuples(*[TEXT] * 5), st.tuples(*[TEXT] * 4), st.booleans())
def test_over_five_points_the_template_of_every_scale_asks_what_the_first_one_does(levels, texts, shown) -> None:
    instruction, criteria, response, reference = texts
    shared = {"item_id": "", "prompt_id": "", "instruction": instruction, "reference": reference if shown else None}
    rubric = Rubric(criteria=criteria, levels=levels)
    items = [
        DirectItem(**shared, rubric=rubric, response=response),
        PairwiseItem(**shared, rubric=rubric, response_a=response, response_b=reference),
    ]
    for item in items:
        assert ask(item, ANY) == ask(item, ONE) == ask(item, ANY.pin_five_points())


@pytest.mark.parametrize("template", [ONE, JSON], ids=lambda template: template.name)
@pytest.mark.parametrize("rubric", [PASS_FAIL, TEN], ids=["0 to 1", "1 to 10"])
def test_a_template_of_five_points_refuses_other_scales(template: JudgeTemplate, rubric: Rubric) -> None:
    said = rf"{template.name} shows rubrics .* from 1 to 5, .* from {rubric.scale.describe()}.*judgeforge-2"
    with pytest.raises(InputError, match=said):
        render_prompt(DirectItem(**SHARED, response="5", rubric=rubric), template)
    with pytest.raises(InputError, match=said):
        render_prompt(PairwiseItem(**SHARED, response_a="5", response_b="6", rubric=rubric), template)


@pytest.mark.parametrize(
    ("scale", "text", "score"),
    [
        (Scale(0, 1), "0", 0),
        (Scale(0, 1), "1", 1),
        (Scale(0, 1), "2", None),
        (Scale(0, 1), "1/1", 1),
        (Scale(0, 1), "1/5", None),
        (Scale(0, 1), "-0", None),
        (Scale(1, 10), "10", 10),
        (Scale(1, 10), "7/10", 7),
        (Scale(1, 10), "Score: 7 out of 10.", 7),
        (Scale(1, 10), "4/5", None),
        (Scale(1, 10), "0", None),
        (Scale(1, 10), "11", None),
        (Scale(1, 10), "07", None),
        (Scale(1, 10), "7.5", None),
        (Scale(1, 2), "2", 2),
        (Scale(5, 7), "4", None),
        (FIVE_POINTS, "10", None),
        (FIVE_POINTS, "7/10", None),
    ],
)
def test_a_score_is_read_by_its_scale(scale: Scale, text: str, score: int | None) -> None:
    assert parse_verdict(f"Fine. [RESULT] {text}", "direct", "[RESULT]", scale) == Verdict(
        feedback="Fine.", score=score
    )
    assert parse_verdict(f"Fine. [RESULT] {text}", "pairwise", "[RESULT]", scale).choice is None


def read_table() -> list[tuple[str, ...]]:
    text = DOCUMENT.read_text("utf-8").split("## Scales")[1].split("## ")[0]
    return re.findall(r"^\| `` (.+) `` \| (\d+) to (\d+) \| (\S+) \|$", text, re.MULTILINE)


def test_the_documents_table_says_what_happens() -> None:
    rows = read_table()
    assert len(rows) == 6
    for text, lowest, highest, said in rows:
        score = parse_verdict(text, "direct", "[RESULT]", Scale(int(lowest), int(highest))).score
        assert ("none" if score is None else str(score)) == said


SCALES = st.builds(lambda lowest, more: Scale(lowest, lowest + more), st.integers(0, 30), st.integers(1, 100))


@given(SCALES, st.data(), st.sampled_from([ONE, JSON]), st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_taught_is_what_is_read_on_every_scale(scale, data, template, feedback) -> None:
    feedback = feedback.replace(template.result_marker, "").strip()
    score = data.draw(st.integers(scale.lowest, scale.highest))
    written = render_verdict(Verdict(feedback=feedback, score=score), template)
    assert parse_verdict(written, "direct", template.result_marker, scale).score == score
    other = data.draw(SCALES)
    found = parse_verdict(written, "direct", template.result_marker, other).score
    assert found == (score if other.lowest <= score <= other.highest else None)
    if template.result_marker != JSON_MARKER:
        # A further digit could still come.
        assert not is_settled(written, template.result_marker)
        assert is_settled(written + "\n", template.result_marker)


def test_a_rubric_has_two_levels_or_more_and_tells_its_scale() -> None:
    assert (PASS_FAIL.scale, TEN.scale, FIVE.scale) == (Scale(0, 1), Scale(1, 10), FIVE_POINTS)
    assert (PASS_FAIL.scale.middle, TEN.scale.middle, FIVE.scale.middle) == (0.5, 5.5, 3)
    for wrong in ({"levels": ("one",)}, {"levels": ("one", " ")}, {"levels": ("a", "b"), "lowest": -1}):
        with pytest.raises(ValidationError):
            Rubric(criteria="x", **wrong)


def test_five_points_leave_no_trace_where_things_are_stored() -> None:
    """Files, keys of recorded answers, journals and paid answers are those of before there were other scales."""
    assert FIVE.model_dump() == {"criteria": FIVE.criteria, "levels": FIVE.levels}
    assert PASS_FAIL.model_dump()["lowest"] == 0
    messages = ({"role": "user", "content": "Say."},)
    five = Conversation(format="direct", messages=messages)
    assert five.model_dump_json() == '{"format":"direct","messages":[{"role":"user","content":"Say."}],"sample":0}'
    assert compute_question_key(five) != compute_question_key(five.model_copy(update={"scale": Scale(0, 1)}))
    example = TrainingExample(example_id="e", prompt_id="p", format="direct", messages=messages)
    assert "scale" not in example.model_dump()
    other = example.model_copy(update={"scale": Scale(1, 10)})
    assert TrainingExample.model_validate_json(other.model_dump_json()) == other


@pytest.mark.parametrize(
    ("part", "text", "said"),
    [
        ("level_line", "Score: {level}", "level_line: placeholders differ.*'score'"),
        ("level_line", None, "direct: placeholders differ.*'level_1'"),
        ("direct", ONE.direct, "direct: placeholders differ.*'level_1'.*'levels'"),
        ("reference_section", "{lowest}", "reference_section: placeholders differ.*'reference'"),
    ],
)
def test_a_template_shows_levels_in_one_way(part: str, text: str | None, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        JudgeTemplate.model_validate(ANY.model_dump() | {part: text})
