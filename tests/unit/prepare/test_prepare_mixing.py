"""Several sources in columns of their own, weights, withdrawals, and the same bytes on any number of processors."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter

import polars as pl
import pytest
import yaml

from judgeforge.errors import InputError
from judgeforge.files import load_json_rows
from judgeforge.prepare.plan import SETS
from judgeforge.training_sets import LINEAGE_SCHEMA, load_table, load_training_examples

EXPORT = {
    **{"id": "ticket", "instruction": "question", "response": "answer", "reference": None},
    **{"criteria": {"value": "Does it help?"}, "levels": {"value": ["no", "a bit", "half", "mostly", "yes"]}},
    **{"feedback": "remark", "score": "stars"},
}


def write_export(path, tickets, name="t"):
    rows = [
        {
            "ticket": f"{name}{n}-{stars}",
            "question": f"{name} {n}?",
            "answer": f"a{stars}",
            "remark": "It is.",
            "stars": stars,
        }
        for n in range(tickets)
        for stars in (1, 3, 5)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def load_prompts(folder, name="direct"):
    return [row.messages[1]["content"] for row in load_training_examples(folder / "train", name)]


def load_lineage(folder):
    return load_table(folder / "train", "lineage", LINEAGE_SCHEMA)


def test_an_export_with_other_columns_needs_no_code(tmp_path, load):
    path = write_export(tmp_path / "export.jsonl", 2)
    rows, bad, _ = load({"path": str(path), "columns": EXPORT})
    assert bad == []
    assert rows["row_id"].to_list()[:2] == ["t0-1", "t0-3"]
    first = rows.row(0, named=True)
    assert (first["instruction"], first["response"], first["reference"], first["score"]) == ("t 0?", "a1", None, 1)
    assert (first["criteria"], first["levels"][4]) == ("Does it help?", "yes")


@pytest.mark.parametrize("kind", ["lines", "parquet"])
def test_levels_may_be_a_list_of_any_length_and_the_score_is_on_its_scale(tmp_path, load, kind):
    columns = EXPORT | {"levels": "scale", "criteria": "question"}
    base = {"ticket": 1, "question": "q", "answer": "a", "remark": "r"}
    rows = [
        base | {"stars": 2, "scale": ["fail", " pass "]},
        base | {"ticket": 2, "stars": 10, "scale": [f"l{n}" for n in range(10)]},
        base | {"ticket": 3, "stars": 3, "scale": ["fail", "pass"]},
        base | {"ticket": 4, "stars": 1, "scale": ["fail", " "]},
        base | {"ticket": 5, "stars": 1, "scale": ["only"]},
        base | {"ticket": 6, "stars": 1, "scale": None},
    ]
    path = tmp_path / "rows"
    pl.DataFrame(rows).write_parquet(path) if kind == "parquet" else path.write_text("\n".join(map(json.dumps, rows)))
    good, bad, _ = load({"path": str(path), "columns": columns}, levels=None)
    assert good["levels"].to_list()[0] == ["fail", "pass"]
    assert good["score"].to_list() == [2, 10]
    reasons = [row.reason for row in bad]
    assert "3 is not a whole score from 1 to 2" in reasons[0]
    assert reasons[1:] == [
        "scale is not a list of texts",
        "scale has fewer than two levels",
        "scale is missing",
    ]
    assert (
        "scale has 2 levels, and the judge template shows 5"
        in load({"path": str(path), "columns": columns}, levels=5)[1][0].reason
    )


def test_a_list_that_is_a_text_in_json_is_no_list(check, raw_row):
    from judgeforge.params.sources import FEEDBACK_COLLECTION

    layout = FEEDBACK_COLLECTION.model_copy(update={"levels": "scale"})
    for scale in ("abcde", ["a", 1], ["a", None], {"a": 1}, 5, ["a", "\ud800"]):
        assert check([raw_row(scale=scale, orig_score=1)], layout, None)[1] == [(1, "scale is not a list of texts")]


def test_a_folder_is_read_file_by_file_and_rows_are_named_after_their_file(tmp_path, load, raw_row):
    (tmp_path / "in" / "more").mkdir(parents=True)
    for name in ("b.jsonl", "more/a.json", ".hidden.jsonl", "notes.txt"):
        (tmp_path / "in" / name).write_text(json.dumps(raw_row()))
    rows = load(tmp_path / "in")[0]
    assert rows["row_id"].to_list() == ["source0/b.jsonl:1", "source0/more/a.json:1"]
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"source0: .*none holds no file"):
        load(tmp_path / "none")


def test_an_id_twice_is_set_aside(tmp_path, load):
    path = write_export(tmp_path / "export.jsonl", 1)
    path.write_text(path.read_text() + "\n" + path.read_text())
    rows, bad, loader = load({"path": str(path), "columns": EXPORT})
    assert rows.height == 3
    assert [row.line for row in bad] == [4, 5, 6]
    assert all(row.reason.startswith("its id is that of an earlier row of this source") for row in bad)
    assert loader.counts["source0"].quarantined == 3


def preference(n, better="A", **changed):
    levels = {f"orig_score{level}_description": f"level {level}" for level in range(1, 6)}
    row = {"orig_instruction": f"p {n}?", "orig_response_A": "one", "orig_response_B": "two", "orig_criteria": "Good?"}
    return {**row, **levels, "orig_feedback": f"Own words {n}.", "orig_preference": better, **changed}


def test_pairs_that_come_with_feedback_keep_it_and_their_places(tmp_path, build, with_sources, raw_row):
    pairs = [preference(n) for n in range(8)] + [preference(0), preference(9, "C"), preference(9, orig_response_A=None)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    graded = [raw_row(orig_response=f"r{n}", orig_score=str(n)) for n in range(1, 6)]
    (tmp_path / "graded.jsonl").write_text("\n".join(map(json.dumps, graded)))
    mine = {"path": str(tmp_path / "pairs.jsonl"), "columns": "preference_collection"}
    params = with_sources(
        mine,
        tmp_path / "graded.jsonl",
        validation_fraction=0.0,
        max_pairs_per_instruction=None,
        reference_probability=0.0,
    )
    values = build(params, tmp_path)
    examples = [row.messages for row in load_training_examples(tmp_path / "train", "pairwise")]
    own = [row for row in examples if "Own words" in row[2]["content"]]
    assert sorted(row[2]["content"] for row in own) == [f"Own words {n}. [RESULT] A" for n in range(8)]
    assert all("###Response A:\none\n\n###Response B:\ntwo" in row[1]["content"] for row in own)
    # Eight stand at A already: of the ten composed ones, nine or eight of all eighteen's half go to B.
    assert values["formats"]["pairwise"]["better_is"] == {"A": 9, "B": 9}
    assert len(examples) == 18
    reasons = [row["reason"] for row in load_json_rows(tmp_path / "quarantine.jsonl")]
    assert reasons == ["orig_preference: 'C' is neither A nor B", "orig_response_A is missing"]
    behind = load_lineage(tmp_path).group_by("example_id").agg(pl.col("row_id").sort())
    ids = {tuple(row) for row in behind["row_id"]}
    assert ("source0:1", "source0:9") in ids and ("source1:1", "source1:2") in ids


@pytest.mark.parametrize(("weight", "least", "most"), [(1.0, 40, 40), (2.0, 80, 80), (0.5, 12, 28), (1.5, 52, 68)])
def test_a_weight_repeats_examples_and_draws_whole_instructions(tmp_path, build, with_sources, weight, least, most):
    path = write_export(tmp_path / "export.jsonl", 40)
    source = {"path": str(path), "columns": EXPORT, "weight": weight}
    values = build(with_sources(source, validation_fraction=0.0), tmp_path)
    prompts = Counter(load_prompts(tmp_path))
    taken = Counter(prompt.split("evaluate:\n")[1].split("\n")[0] for prompt in prompts.elements())
    assert least * 3 <= sum(taken.values()) <= most * 3
    assert set(taken.values()) <= {3 * int(weight), 3 * (int(weight) + 1)} - {0}
    assert values["rows"]["not_drawn"] == 120 - 3 * len(taken)
    assert len(load_prompts(tmp_path, "pairwise")) == sum(taken.values())
    again = tmp_path / "again"
    build(with_sources(source, validation_fraction=0.0), again)
    assert load_prompts(again) == load_prompts(tmp_path)


def test_a_weight_repeats_nothing_in_validation(tmp_path, build, with_sources):
    path = write_export(tmp_path / "export.jsonl", 10)
    build(with_sources({"path": str(path), "columns": EXPORT, "weight": 3.0}, validation_fraction=0.5), tmp_path)
    assert len(load_prompts(tmp_path, "validation_direct")) == 15
    assert len(load_prompts(tmp_path)) == 45


def test_withdrawn_rows_are_nowhere_and_unknown_ids_are_counted(tmp_path, build, with_sources):
    path = write_export(tmp_path / "export.jsonl", 10)
    rows = path.read_text().splitlines()
    rows += [json.dumps({"ticket": "bad-1", "question": "secret"}), json.dumps({"ticket": "bad-2", "question": "seen"})]
    path.write_text("\n".join(rows))
    source = {"path": str(path), "columns": EXPORT}
    (tmp_path / "withdrawn.txt").write_text("t3-1\n\n t3-5 \nbad-1\nnobody\n")
    values = build(with_sources(source, withdrawn=str(tmp_path / "withdrawn.txt")), tmp_path)
    assert values["rows"]["withdrawn"] == 3
    assert values["withdrawn_ids_unknown"] == 1
    lineage = load_lineage(tmp_path)
    assert set(lineage["row_id"]) == {f"t{n}-{s}" for n in range(10) for s in (1, 3, 5)} - {"t3-1", "t3-5"}
    assert "secret" not in (tmp_path / "quarantine.jsonl").read_text()
    assert "seen" in (tmp_path / "quarantine.jsonl").read_text()


def test_lineage_names_every_row_behind_an_example_duplicates_included(tmp_path, build, with_sources):
    path = write_export(tmp_path / "export.jsonl", 4)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows += [rows[0] | {"ticket": "copy"}, rows[0] | {"ticket": "grader", "stars": 2}]
    path.write_text("\n".join(map(json.dumps, rows)))
    params = with_sources({"path": str(path), "columns": EXPORT}, max_pairs_per_instruction=None)
    values = build(params, tmp_path)
    lineage = load_lineage(tmp_path)
    for name in SETS:
        examples = {row.example_id for row in load_training_examples(tmp_path / "train", name)}
        assert set(lineage.filter(pl.col("set") == name)["example_id"]) == examples
    held = {row_id: set(part["example_id"]) for (row_id,), part in lineage.group_by("row_id")}
    assert held["copy"] == held["t0-1"]
    # The other grader's row is an example of its own, and its score is part of the same response's two pairs.
    assert len(held["copy"] & held["grader"]) == 2
    assert len(held["copy"]) == len(held["grader"]) == 3
    assert values["rows"]["duplicates"] == 1


def hash_folder(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_one_and_two_processors_write_the_same_bytes(tmp_path, with_sources):
    """Whole programs: how many threads Polars has is fixed when it is loaded."""
    path = write_export(tmp_path / "export.jsonl", 400)
    params = with_sources({"path": str(path), "columns": EXPORT, "weight": 1.5}, rows_per_file=300)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"prepare": params.model_dump(mode="json")}))
    found = []
    for threads in ("1", "2"):
        out = tmp_path / threads
        names = ("train", "form", "benchmarks", "statistics", "quarantine", "page", "card")
        options = [part for name in names for part in (f"--{name}", str(out / name))]
        command = [sys.executable, "-m", "judgeforge.prepare", *options]
        environment = os.environ | {"POLARS_MAX_THREADS": threads}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found.append(hash_folder(out))
    assert found[0] == found[1]
    assert sum(name.startswith("train/direct/") for name in found[0]) > 3
