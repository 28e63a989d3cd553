"""Rendering by columns is rendering by items, to the byte."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeforge.grading.columns import count_template_levels, render_prompts, render_verdicts
from judgeforge.grading.records import DirectItem, PairwiseItem, Rubric, Verdict
from judgeforge.grading.rendering import render_prompt, render_verdict
from judgeforge.grading.templates import load_template

TEMPLATES = ["judgeforge-1", "judgeforge-2", "judgeforge-json-1"]
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["{instruction}", "{level_1}{", "[RESULT] 5", "$1 \\1", 'say "no"\n', "\x00"]
)
TEXT = ANY_TEXT.filter(lambda text: text.strip())
ROW = st.fixed_dictionaries(
    {
        **{"instruction": TEXT, "criteria": TEXT, "levels": st.lists(TEXT, min_size=5, max_size=5)},
        **{
            "reference": st.none() | TEXT,
            "lowest": st.just(1),
            "feedback": TEXT,
            "score": st.integers(1, 5),
            "choice": st.sampled_from("AB"),
        },
        **{"response": ANY_TEXT, "response_a": ANY_TEXT, "response_b": ANY_TEXT},
    }
)


ANY_SCALE = st.fixed_dictionaries({"levels": st.lists(TEXT, min_size=2, max_size=11), "lowest": st.integers(0, 3)})


def clean(row):
    """Return what the records make of a row: their texts are stripped, which ``prepare`` did before."""
    rubric = Rubric(criteria=row["criteria"], levels=tuple(row["levels"]), lowest=row["lowest"])
    shared = {"item_id": "i", "prompt_id": "p", "instruction": row["instruction"], "reference": row["reference"]}
    direct = DirectItem(**shared, rubric=rubric, response=row["response"])
    pair = PairwiseItem(**shared, rubric=rubric, response_a=row["response_a"], response_b=row["response_b"])
    cleaned = {"instruction": direct.instruction, "reference": direct.reference}
    return row | cleaned | {"criteria": rubric.criteria, "levels": list(rubric.levels)}, direct, pair


@pytest.mark.parametrize("name", TEMPLATES)
@given(st.lists(ROW, min_size=1, max_size=4), st.lists(ANY_SCALE, min_size=4, max_size=4))
def test_prompts_and_verdicts_are_those_of_items(name, rows, scales):
    template = load_template(name)
    if template.any_scale:
        rows = [row | scale for row, scale in zip(rows, scales, strict=False)]
    cleaned = [clean(row) for row in rows]
    frame = pl.DataFrame([row for row, _, _ in cleaned], schema_overrides={"reference": pl.String})
    rendered = frame.select(
        render_prompts(template, "direct").alias("direct"),
        render_prompts(template, "pairwise").alias("pairwise"),
        render_verdicts(template, "score").alias("score"),
        render_verdicts(template, "choice").alias("choice"),
    )
    for (row, direct, pair), texts in zip(cleaned, rendered.iter_rows(named=True), strict=True):
        assert texts["direct"] == render_prompt(direct, template)[1]["content"]
        assert texts["pairwise"] == render_prompt(pair, template)[1]["content"]
        feedback = row["feedback"]
        assert texts["score"] == render_verdict(Verdict(feedback=feedback, score=row["score"]), template)
        assert texts["choice"] == render_verdict(Verdict(feedback=feedback, choice=row["choice"]), template)


def test_the_levels_that_a_template_shows_are_counted():
    assert count_template_levels(load_template("judgeforge-1")) == 5
    assert count_template_levels(load_template("judgeforge-2")) is None
