"""What a careful user would trip over: copies, ids, mistyped columns, sets of nothing, and money spent in vain."""

import json
import unicodedata

import polars as pl
import pytest
from test_prepare_mixing import EXPORT, load_lineage, load_prompts, write_export
from test_prepare_teaching import RecordingTeacher

from judgeforge.errors import InputError
from judgeforge.files import load_json
from judgeforge.prepare.split import compute_prompt_id
from judgeforge.training_sets import load_training_examples


def read_rows(path):
    return list(map(json.loads, path.read_text().splitlines()))


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_copies_of_an_instruction_in_other_white_space_are_one_instruction(tmp_path, build, with_sources, raw_row):
    asked = [f"Name the café number {n}, and say why." for n in range(20)]
    first = [raw_row(orig_instruction=text, orig_score=2) for text in asked]
    copies = [text.replace(", and", ",\n  and") for text in asked[:10]]
    copies += [unicodedata.normalize("NFD", text) for text in asked[10:]]
    second = [raw_row(orig_instruction=text, orig_response="Red.", orig_score=5) for text in copies]
    sources = write_rows(tmp_path / "one.jsonl", first), write_rows(tmp_path / "two.jsonl", second)
    values = build(with_sources(*sources, validation_fraction=0.3), tmp_path)
    assert values["instructions"] == 20
    assert values["formats"]["pairwise"]["rows"] + values["formats"]["validation_pairwise"]["rows"] == 20
    sides = [{row.prompt_id for row in load_training_examples(tmp_path / "train", s)} for s in ("direct", "pairwise")]
    held = {row.prompt_id for row in load_training_examples(tmp_path / "train", "validation_direct")}
    assert len(held) == 6 and not held & (sides[0] | sides[1])


def test_one_instruction_keeps_its_old_id():
    assert compute_prompt_id(" Name a colour. ") == "4eef85d027f3c351"


def test_a_row_with_a_reference_is_no_duplicate_of_one_without(tmp_path, build, with_sources, raw_row):
    rows = [raw_row(orig_instruction=f"I {n}") for n in range(10)]
    without = [row | {"orig_reference_answer": None} for row in rows]
    sources = write_rows(tmp_path / "one.jsonl", without), write_rows(tmp_path / "two.jsonl", rows)
    values = build(with_sources(*sources, validation_fraction=0.0), tmp_path)
    assert (values["rows"]["duplicates"], values["findings"]["duplicates"]["count"]) == (0, 0)
    prompts = load_prompts(tmp_path)
    assert sum("Red." in prompt for prompt in prompts) == 10 and len(prompts) == 20


def test_two_exports_may_number_their_rows_alike(tmp_path, build, with_sources):
    paths = []
    for name in ("one", "two"):
        path = write_export(tmp_path / f"{name}.jsonl", 20, name="t")
        rows = [
            row | {"question": f"{name} {row['question']}"} for row in map(json.loads, path.read_text().splitlines())
        ]
        paths.append(write_rows(path, rows))
    sources = [{"path": str(path), "columns": EXPORT} for path in paths]
    values = build(with_sources(*sources, validation_fraction=0.0), tmp_path)
    assert (values["rows"]["kept"], values["rows"]["quarantined"]) == (120, 0)
    assert set(load_lineage(tmp_path).group_by("row_id").len().filter(pl.col("row_id") == "t0-1")["len"]) == {6}
    again = build(with_sources(*reversed(sources), validation_fraction=0.0), tmp_path / "again")
    assert again["formats"]["pairwise"]["rows"] == values["formats"]["pairwise"]["rows"]


@pytest.mark.parametrize("column", ["reference", "feedback", "instruction", "id"])
def test_a_mistyped_column_is_told_before_anything_is_asked(tmp_path, build, with_sources, column):
    teacher = RecordingTeacher()
    path = write_export(tmp_path / "export.jsonl", 5)
    source = {"path": str(path), "columns": EXPORT | {column: "mistyped"}}
    with pytest.raises(InputError, match="No row of the source source0 has a column mistyped, but ticket, question"):
        build(with_sources(source), tmp_path, teacher)
    assert not any(map(len, teacher.asked.values()))


@pytest.mark.parametrize("kind", ["lines", "parquet"])
def test_whole_numbers_that_were_exported_as_decimals_are_scores(tmp_path, load, kind):
    path = write_export(tmp_path / "export", 4)
    rows = [row | {"stars": float(row["stars"])} for row in read_rows(path)]
    rows[3]["stars"], rows[4]["stars"] = None, 2.5
    write_rows(path, rows)
    if kind == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    good, bad, _ = load({"path": str(path), "columns": EXPORT})
    assert good["score"].to_list() == [1, 3, 5, 5, 1, 3, 5, 1, 3, 5]
    assert [row.reason for row in bad] == ["stars is missing", "stars: 2.5 is not a whole score from 1 to 5"]


def test_a_stage_that_must_fail_pays_for_nothing_and_still_reports(tmp_path, build, with_sources, params):
    teacher = RecordingTeacher()
    path = write_export(tmp_path / "export.jsonl", 8)
    rows = [
        row | {"answer": f"{row['answer']} AKIA{'A' * 16}"} for row in map(json.loads, path.read_text().splitlines())
    ]
    quality = params.quality.model_dump()
    quality["secrets"]["max_share"] = 0.0
    source = {"path": str(write_rows(path, rows)), "columns": EXPORT | {"feedback": None}}
    with pytest.raises(InputError, match="secrets: 24 of 24 rows"):
        build(with_sources(source, quality=quality), tmp_path, teacher)
    assert not any(map(len, teacher.asked.values())) and not (tmp_path / "train").exists()
    assert not load_json(tmp_path / "statistics.json")["findings"]["secrets"]["passed"]
    assert (tmp_path / "data.html").is_file() and (tmp_path / "data_card.md").is_file()


def test_sets_of_nothing_do_not_replace_good_ones(tmp_path, build, with_sources, params):
    path = write_export(tmp_path / "export.jsonl", 8)
    source = {"path": str(path), "columns": EXPORT}
    build(with_sources(source), tmp_path)
    before = len(load_prompts(tmp_path))
    rows = [
        row | {"answer": f"{row['answer']} AKIA{'A' * 16}"} for row in map(json.loads, path.read_text().splitlines())
    ]
    write_rows(path, rows)
    quality = params.quality.model_dump()
    quality["secrets"]["action"] = "quarantine"
    with pytest.raises(InputError, match="Of 24 rows none is left to learn from"):
        build(with_sources(source, quality=quality), tmp_path)
    assert len(load_prompts(tmp_path)) == before > 0


def test_a_teacher_without_an_answer_leaves_the_old_sets(tmp_path, build, with_sources):
    class Silent(RecordingTeacher):
        def write_pairwise(self, pairs):
            return pl.Series([None] * pairs.height, dtype=pl.String)

    source = {"path": str(write_export(tmp_path / "export.jsonl", 8)), "columns": EXPORT}
    with pytest.raises(InputError, match="examples of the set pairwise none is left"):
        build(with_sources(source), tmp_path, Silent())
    assert not (tmp_path / "train").exists()
