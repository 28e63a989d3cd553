"""The prompt contract in the stage: a template recovered and verified, a budget of tokens kept, all of it counted."""

import json
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from judgeforge.errors import InputError
from judgeforge.files import load_json, load_json_rows
from judgeforge.grading.templates import fill, load_template
from judgeforge.params import TokenBudgetParams
from judgeforge.prepare import run as running
from judgeforge.prepare.contract import items
from judgeforge.prepare.contract.budget import CUT
from judgeforge.training_sets import LINEAGE_SCHEMA, load_table, load_training_examples

COLLECTION = Path(__file__).parents[4] / "shared" / "collections" / "vicuna_gpt4_feedback.jsonl"
RECOVERY = {"name": "theirs", "system": "You judge.", "completed_by": "judgeforge-1"}
OURS = load_template("judgeforge-1")


@pytest.fixture
def unchecked(params):
    """No check fails a set as small as these."""
    quality = params.quality.model_dump()
    quality["lengths"]["action"] = "skip"
    quality["balance"]["max_position_lean"] = None
    return {"quality": quality, "validation_fraction": 0.0}


def render_upstream(row, ending=""):
    """Add prompt and answer as a public collection has them, in our own template's words."""
    fields = {
        "instruction": row["orig_instruction"],
        "response": row["orig_response"],
        "criteria": row["orig_criteria"],
    }
    fields |= {f"level_{score}": row[f"orig_score{score}_description"] for score in range(1, 6)}
    fields["reference_clause"] = OURS.reference_clause
    fields["reference_section"] = fill(OURS.reference_section, {"reference": row["orig_reference_answer"]})
    answer = f"{row['orig_feedback']} [RESULT] {row['orig_score']}"
    return row | {"instruction": fill(OURS.direct, fields) + ending, "output": answer}


def write_upstream(path, raw_row):
    """Twelve rows: ten that fit, one with a space too many, one whose prompt is of another row."""
    rows = [
        raw_row(
            orig_instruction=f"Name the colour {number // 3}.",
            orig_response=f"Answer {number}.",
            orig_reference_answer=f"The best answer to {number // 3}.",
            orig_criteria=f"Is it colour {number // 3}?",
            orig_feedback=f"It says {number} of all.",
            orig_score=str(1 + number % 5),
        )
        for number in range(12)
    ]
    rendered = [render_upstream(row, " " if number == 4 else "") for number, row in enumerate(rows)]
    rendered[7]["instruction"] = rendered[8]["instruction"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rendered))
    return path


def test_a_recovered_template_is_verified_on_every_row_and_stored(tmp_path, build, with_sources, raw_row, unchecked):
    export = tmp_path / "export.jsonl"
    export.write_text(json.dumps(raw_row(orig_instruction="An export without prompts.")))
    source = write_upstream(tmp_path / "rows.jsonl", raw_row)
    params = with_sources(source, export, template="recovered", recovery=RECOVERY, **unchecked)
    values = build(params, tmp_path)
    fits = {"exact": 10, "white_space": 1, "prompt_differs": 1, "answer_differs": 0}
    assert values["template"]["verified"] == {"source0": fits}
    assert (values["rows"]["kept"], values["rows"]["quarantined"]) == (12, 1)
    (bad,) = load_json_rows(tmp_path / "quarantine.jsonl")
    assert (bad["line"], bad["reason"]) == (8, "the prompt is not what the judge template makes of this row's fields")
    stored = load_json(tmp_path / "train" / "judge_template.json")
    assert stored["name"] == values["template"]["name"]
    assert stored["name"].startswith("theirs-") and len(stored["name"]) == len("theirs-12345678")
    assert (stored["system"], stored["pairwise"]) == ("You judge.", OURS.pairwise)
    prompts = {row.messages[1]["content"] for row in load_training_examples(tmp_path / "train", "direct")}
    upstream = {row["instruction"].strip() for row in load_json_rows(tmp_path / "rows.jsonl")}
    assert len(prompts & {text.strip() for text in upstream}) == 11


def test_the_public_schema_end_to_end(tmp_path, build, with_sources):
    if not COLLECTION.is_file():
        pytest.skip("the collection is not part of this project")
    params = with_sources(COLLECTION, template="recovered", recovery=RECOVERY, max_pairs_per_instruction=None)
    values = build(params, tmp_path)
    assert values["rows"]["kept"] == 960
    fits = {"exact": 954, "white_space": 6, "prompt_differs": 0, "answer_differs": 0}
    assert values["template"]["verified"] == {"source0": fits}
    assert sum(values["formats"][name]["rows"] for name in ("pairwise", "validation_pairwise")) == 206
    sides = [
        {row.prompt_id for name in names for row in load_training_examples(tmp_path / "train", name)}
        for names in (("direct", "pairwise"), ("validation_direct", "validation_pairwise"))
    ]
    assert len(sides[0]) + len(sides[1]) == 80
    assert not sides[0] & sides[1]


def test_sources_without_prompts_show_no_template(tmp_path, build, with_sources, raw_row):
    (tmp_path / "rows.jsonl").write_text(json.dumps(raw_row()))
    params = with_sources(tmp_path / "rows.jsonl", template="recovered", recovery=RECOVERY)
    with pytest.raises(InputError, match="No source has rendered prompts"):
        build(params, tmp_path)


@pytest.mark.parametrize("changed", [{"template": "recovered"}, {"recovery": RECOVERY}])
def test_recovery_goes_with_its_values(with_sources, changed):
    with pytest.raises(ValidationError, match="goes with a section 'recovery'"):
        with_sources("rows.jsonl", **changed)


def count_words(exchanges):
    return [len((prompt[1]["content"] + " " + answer).split()) for prompt, answer in exchanges]


@pytest.fixture
def budget(monkeypatch):
    """Count words in the place of tokens: no tokenizer is at hand here (tests/integration has one)."""
    monkeypatch.setattr(items, "load_token_counter", lambda folder: count_words)
    monkeypatch.setattr(running, "require_tokenizer", lambda params: None)

    def choose(max_tokens, too_long):
        return TokenBudgetParams(max_tokens=max_tokens, tokenizer="models/base", too_long=too_long).model_dump()

    return choose


def write_long(path, raw_row):
    """Five instructions with a short, a longer and a very long response each."""
    rows = [
        raw_row(orig_instruction=f"I {n}", orig_response=" ".join(f"w{n}x{i}" for i in range(words)), orig_score=score)
        for n in range(5)
        for score, words in ((1, 3), (3, 60), (5, 120))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_budget(values):
    return values["token_budget"]["sets"]


def test_rows_over_the_budget_are_dropped_counted_and_in_no_lineage(
    tmp_path, build, with_sources, raw_row, budget, unchecked
):
    source = write_long(tmp_path / "rows.jsonl", raw_row)
    whole = build(with_sources(source, **unchecked), tmp_path / "whole")
    longest = max(
        len(row.messages[1]["content"].split()) + len(row.messages[2]["content"].split())
        for row in load_training_examples(tmp_path / "whole" / "train", "direct")
    )
    params = with_sources(source, **unchecked, token_budget=budget(longest - 1, "drop"))
    values = build(params, tmp_path / "cut")
    assert read_budget(values)["direct"] == {"whole": 10, "cut": 0, "dropped": 5, "longest_tokens": longest}
    assert values["left_out"]["too_long_direct"] == 5
    assert (whole["formats"]["direct"]["rows"], values["formats"]["direct"]["rows"]) == (15, 10)
    assert read_budget(values)["pairwise"]["dropped"] == 10
    lineage = load_table(tmp_path / "cut" / "train", "lineage", LINEAGE_SCHEMA)
    for name in ("direct", "pairwise"):
        examples = {row.example_id for row in load_training_examples(tmp_path / "cut" / "train", name)}
        assert set(lineage.filter(pl.col("set") == name)["example_id"]) == examples


def test_responses_alone_are_cut_and_the_budget_is_kept(tmp_path, build, with_sources, raw_row, budget, unchecked):
    source = write_long(tmp_path / "rows.jsonl", raw_row)
    params = with_sources(source, **unchecked, token_budget=budget(130, "truncate"))
    values = build(params, tmp_path)
    for name in ("direct", "pairwise"):
        examples = load_training_examples(tmp_path / "train", name)
        assert len(examples) == 15
        texts = [(row.messages[1]["content"], row.messages[2]["content"]) for row in examples]
        assert all(len(prompt.split()) + len(answer.split()) <= 130 for prompt, answer in texts)
        cut = [prompt for prompt, _ in texts if CUT in prompt]
        assert len(cut) == read_budget(values)[name]["cut"] > 0
        assert all("level 5" in prompt and "Is it a colour?" in prompt for prompt in cut)
        assert all("x119" in prompt or "x59" in prompt for prompt in cut)
    assert sum(values["left_out"][f"too_long_{name}"] for name in ("direct", "pairwise")) == 0


@pytest.mark.parametrize("value", [None, 7, "", "\x00{instruction}", "\ud800", ["x"], {"a": 1}, ...])
@pytest.mark.parametrize("column", ["instruction", "output"])
def test_hostile_prompts_are_set_aside_one_by_one(tmp_path, build, with_sources, raw_row, unchecked, column, value):
    path = write_upstream(tmp_path / "rows.jsonl", raw_row)
    rows = load_json_rows(path)
    rows[2] = {key: text for key, text in (rows[2] | {column: value}).items() if text is not ...}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = build(with_sources(path, template="recovered", recovery=RECOVERY, **unchecked), tmp_path)
    bad = load_json_rows(tmp_path / "quarantine.jsonl")
    assert [row["line"] for row in bad] == [3, 8]
    assert (values["rows"]["kept"], values["rows"]["quarantined"]) == (10, 2)
