"""Where teachers plug in: what they write is asked for once and before, what they leave out is counted and untraced."""

import json
import re

import polars as pl
import pytest

from judgeforge.errors import InputError
from judgeforge.files import load_json_rows
from judgeforge.params.sources import FEEDBACK_COLLECTION
from judgeforge.prepare import collecting
from judgeforge.prepare.plan import SETS
from judgeforge.prepare.rows import GRADED
from judgeforge.training_sets import LINEAGE_SCHEMA, load_table, load_training_examples

RUBRIC = ("orig_criteria", *FEEDBACK_COLLECTION.levels)


class RecordingTeacher:
    """Has no answer for pairs whose better response is A, for responses, nor for instructions, that end in 1."""

    writes_direct = True

    def __init__(self, rubric_levels=None, writes_references=False):
        self.rubric_levels, self.writes_references = rubric_levels, writes_references
        self.asked = {}

    def ask(self, lacking):
        for name, frames in lacking.items():
            assert name not in self.asked, "everything at once"
            self.asked[name] = [row for frame in frames() for row in frame.to_dicts()]

    def _require_asked(self, name, rows):
        assert all(row in self.asked[name] for row in rows.to_dicts())

    def write_direct(self, rows):
        assert rows.schema == GRADED
        self._require_asked("direct", rows)
        text = pl.format("Written for {}.", "response")
        return rows.select(pl.when(~pl.col("response").str.ends_with("1")).then(text)).to_series()

    def write_pairwise(self, pairs):
        self._require_asked("pairwise", pairs)
        text = pl.format("Compared {} and {}.", "response_a", "response_b")
        return pairs.select(pl.when(pl.col("choice") == "B").then(text)).to_series()

    def write_rubrics(self, rows):
        self._require_asked("rubric", rows)
        known = ~pl.col("instruction").str.ends_with("1")
        levels = pl.lit(pl.Series([[f"{n} of it" for n in range(self.rubric_levels)]])).first()
        return rows.select(
            pl.when(known).then(pl.format("Is {} met?", "instruction")).alias("criteria"),
            pl.when(known).then(levels).alias("levels"),
        )

    def write_references(self, rows):
        self._require_asked("reference", rows)
        known = ~pl.col("instruction").str.ends_with("2")
        text = pl.format("The best for {} by {}", "instruction", "criteria")
        return rows.select(pl.when(known).then(text)).to_series()

    def describe(self):
        return {"kind": "recording", "asked": {name: len(rows) for name, rows in self.asked.items()}}


def write_rows(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def make_rows(raw_row, **changed):
    return [
        raw_row(orig_instruction=f"I {n}", orig_response=f"R {score}", orig_score=score, **changed)
        for n in range(8)
        for score in (1, 3, 5)
    ]


@pytest.fixture
def choose(params, with_sources):
    """Choose sources and values; the recording teacher leaves no pair whose better response is A, and may."""
    quality = params.quality.model_dump()
    quality["balance"]["max_position_lean"] = 0.5

    def run(*sources, **values):
        return with_sources(*sources, quality=quality, validation_fraction=0.0, **values)

    return run


@pytest.fixture(params=[1, 4])
def buckets(request, monkeypatch):
    monkeypatch.setattr(collecting, "choose_bucket_count", lambda size_bytes: request.param)


def require_lineage_of_examples(folder):
    lineage = load_table(folder / "train", "lineage", LINEAGE_SCHEMA)
    for name in SETS:
        examples = {row.example_id for row in load_training_examples(folder / "train", name)}
        assert set(lineage.filter(pl.col("set") == name)["example_id"]) == examples


@pytest.mark.usefixtures("buckets")
def test_a_teacher_writes_what_is_missing_and_what_it_has_no_answer_for_is_dropped(tmp_path, build, choose, raw_row):
    teacher = RecordingTeacher()
    path = write_rows(tmp_path / "rows.jsonl", make_rows(raw_row, orig_feedback=...))
    params = choose(path, max_pairs_per_instruction=None)
    values = build(params, tmp_path, teacher)
    direct = load_training_examples(tmp_path / "train", "direct")
    assert {row.messages[2]["content"] for row in direct} == {
        "Written for R 3. [RESULT] 3",
        "Written for R 5. [RESULT] 5",
    }
    assert (len(direct), values["left_out"]["untaught_direct"], values["formats"]["direct"]["rows"]) == (16, 8, 16)
    pairs = load_training_examples(tmp_path / "train", "pairwise")
    assert values["teacher"] == {"kind": "recording", "asked": {"pairwise": 24, "direct": 24}}
    first = teacher.asked["pairwise"][0]
    assert {"instruction", "reference", "criteria", "levels", "choice", "score_a", "score_b"} <= set(first)
    assert all((pair["score_a"] > pair["score_b"]) == (pair["choice"] == "A") for pair in teacher.asked["pairwise"])
    assert (len(pairs), values["left_out"]["untaught_pairwise"]) == (12, 12)
    assert values["untaught_for"] == {"feedback": 8 + 12}
    assert values["formats"]["pairwise"]["better_is"] == {"A": 0, "B": 12}
    assert all(row.messages[2]["content"].startswith("Compared R ") for row in pairs)
    require_lineage_of_examples(tmp_path)


@pytest.mark.usefixtures("buckets")
def test_rubrics_and_references_are_written_once_for_all_rows_of_a_group(tmp_path, build, choose, raw_row):
    nothing = dict.fromkeys(RUBRIC, ...) | {"orig_reference_answer": ...}
    rows = make_rows(raw_row, **nothing, orig_feedback=None)
    # Of the last instruction some rows bring a rubric, and one of the others is blank instead of missing.
    own = {"orig_instruction": "I 7", "orig_reference_answer": None}
    rows += [raw_row(orig_response=f"S {n}", orig_score=n, **own) for n in (2, 4)]
    rows[-3] |= dict.fromkeys(RUBRIC, " ")
    teacher = RecordingTeacher(rubric_levels=5, writes_references=True)
    params = choose(write_rows(tmp_path / "rows.jsonl", rows), max_pairs_per_instruction=None)
    values = build(params, tmp_path, teacher)
    assert sorted(row["instruction"] for row in teacher.asked["rubric"]) == [f"I {n}" for n in range(8)]
    groups = sorted((row["instruction"], row["criteria"]) for row in teacher.asked["reference"])
    written = [(f"I {n}", f"Is I {n} met?") for n in (0, 2, 3, 4, 5, 6, 7)]
    assert groups == sorted([*written, ("I 7", "Is it a colour?")])
    # Nothing more is asked about what has no rubric (instruction 1) or no reference (2).
    assert len(teacher.asked["direct"]) == 6 * 3 and len(teacher.asked["pairwise"]) == 6 * 3 + 1
    assert {row["reference"] for row in teacher.asked["pairwise"] if row["instruction"] == "I 7"} == {
        "The best for I 7 by Is I 7 met?",
        "The best for I 7 by Is it a colour?",
    }
    assert values["untaught_for"]["rubric"] == values["untaught_for"]["reference"] == 3 + 3
    assert values["rubrics"] == 9 and values["scores"] == {"1": 8, "2": 1, "3": 8, "4": 1, "5": 8}
    prompts = [row.messages[1]["content"] for row in load_training_examples(tmp_path / "train", "direct")]
    assert len(prompts) == 6 * 2 + 2, "the response that ends in 1 has no feedback"
    assert sum("Is I 3 met?" in prompt and "The best for I 3 by" in prompt for prompt in prompts) == 2
    assert all("4 of it" in prompt or "level 5" in prompt for prompt in prompts)
    require_lineage_of_examples(tmp_path)


def test_only_what_is_used_is_asked_about(tmp_path, build, choose, raw_row):
    rows = make_rows(raw_row, **dict.fromkeys(RUBRIC, ...), orig_reference_answer="")
    path = write_rows(tmp_path / "rows.jsonl", rows)
    teacher = RecordingTeacher(rubric_levels=5, writes_references=True)
    source = {"path": str(path), "weight": 0.5}
    values = build(choose(source, reference_probability=0.0), tmp_path, teacher)
    asked = {row["instruction"] for row in teacher.asked["rubric"]}
    assert 3 * len(asked) == 24 - values["rows"]["not_drawn"] < 24
    assert not teacher.asked["reference"], "no example shows one"


def test_a_reference_that_is_hidden_from_the_judge_is_hidden_from_the_teacher(tmp_path, build, choose, raw_row):
    path = write_rows(tmp_path / "rows.jsonl", make_rows(raw_row, orig_feedback=None))
    teacher = RecordingTeacher()
    build(choose(path, reference_probability=0.5), tmp_path, teacher)
    shown = {row["instruction"]: row["reference"] for row in teacher.asked["direct"]}
    assert set(shown.values()) == {None, "Red."}
    assert all(row["reference"] == shown[row["instruction"]] for row in teacher.asked["pairwise"])


def test_compared_rows_are_given_rubrics_and_references_too(tmp_path, build, choose):
    columns = {"id": None, "instruction": "q", "response_a": "a", "response_b": "b", "reference": None}
    columns |= {"criteria": None, "levels": None, "feedback": "why", "preference": "best"}
    rows = [{"q": f"I {n}", "a": "x", "b": "y", "why": "So.", "best": "AB"[n % 2]} for n in range(4)]
    source = {"path": str(write_rows(tmp_path / "rows.jsonl", rows)), "columns": columns}
    teacher = RecordingTeacher(rubric_levels=5, writes_references=True)
    values = build(choose(source), tmp_path, teacher)
    prompts = [row.messages[1]["content"] for row in load_training_examples(tmp_path / "train", "pairwise")]
    assert len(prompts) == 2 and values["untaught_for"] == {"rubric": 1, "reference": 1}
    assert all("met?" in prompt and "The best for" in prompt for prompt in prompts)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"orig_criteria": None}, "orig_criteria is missing"),
        ({"orig_score3_description": " "}, "orig_score3_description is blank"),
        (dict.fromkeys(RUBRIC[1:]), "orig_score1_description is missing; "),
        (dict.fromkeys(RUBRIC) | {"orig_score2_description": 5}, "orig_criteria is missing; .*int instead of text"),
        (dict.fromkeys(RUBRIC) | {"orig_score": "6"}, "'6' is not a whole score from 1 to 5"),
    ],
)
def test_half_a_rubric_is_none_that_a_teacher_completes(tmp_path, build, choose, raw_row, changed, reason):
    rows = [*make_rows(raw_row), raw_row(**changed)]
    build(choose(write_rows(tmp_path / "rows.jsonl", rows)), tmp_path, RecordingTeacher(rubric_levels=5))
    (bad,) = load_json_rows(tmp_path / "quarantine.jsonl")
    assert bad["line"] == 25 and re.search(reason, bad["reason"]), bad["reason"]


def test_without_such_a_teacher_rows_without_feedback_or_rubric_are_set_aside(tmp_path, build, choose, raw_row):
    rows = [*make_rows(raw_row), raw_row(orig_feedback=None), raw_row(**dict.fromkeys(RUBRIC))]
    values = build(choose(write_rows(tmp_path / "rows.jsonl", rows)), tmp_path)
    reasons = [row["reason"] for row in load_json_rows(tmp_path / "quarantine.jsonl")]
    assert values["rows"]["quarantined"] == 2 and values["teacher"] == {"kind": "offline"}
    assert reasons[0] == "orig_feedback is missing" and reasons[1].startswith("orig_criteria is missing; orig_score1")


def test_a_rubric_must_have_as_many_levels_as_the_template_shows(tmp_path, build, params):
    with pytest.raises(InputError, match=r"3 levels, and the judge template judgeforge-1 shows 5"):
        build(params, tmp_path, RecordingTeacher(rubric_levels=3))
