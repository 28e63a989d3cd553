import itertools
import json
from pathlib import Path

import polars as pl
import pytest

from judgeforge.errors import InputError
from judgeforge.files import load_json, load_json_rows
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.templates import load_template
from judgeforge.prepare import collecting
from judgeforge.prepare.plan import SETS
from judgeforge.training_sets import INSTRUCTIONS_SCHEMA, LINEAGE_SCHEMA, load_table, load_training_examples

REAL = Path(__file__).parents[4] / "shared" / "collections" / "vicuna_gpt4_feedback.jsonl"


def load_sets(folder, train="train"):
    return {name: [row.model_dump() for row in load_training_examples(folder / train, name)] for name in SETS}


def load_instructions(folder, train="train"):
    return load_table(folder / train, "instructions", INSTRUCTIONS_SCHEMA)


def write_rows(path, raw_row, prompts=10, extra=()):
    rows = [
        raw_row(orig_instruction=f"Instruction {prompt}", orig_response=f"Response {score}", orig_score=str(score))
        for prompt in range(prompts)
        for score in (2, 3, 5)
    ]
    path.write_text("\n".join(json.dumps(row) for row in [*rows, *extra]))
    return path


def test_embedded_default_gives_whole_sets_split_by_instruction(tmp_path, build, params):
    values = build(params, tmp_path)
    sets = load_sets(tmp_path)
    for name in ("direct", "pairwise"):
        trained = {row["prompt_id"] for row in sets[name]}
        assert trained.isdisjoint(row["prompt_id"] for row in sets[f"validation_{name}"])
    assert len(sets["direct"]) + len(sets["validation_direct"]) == values["rows"]["kept"] == 8 * 24 * 5
    template = load_template(tmp_path / "train")
    for name, rows in sets.items():
        for row in rows:
            assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
            assert parse_verdict(row["messages"][2]["content"], row["format"], template.result_marker).parsed
        assert len({row["example_id"] for row in rows}) == len(rows)
        assert values["formats"][name]["rows"] == len(rows)
    listed = set(load_instructions(tmp_path)["prompt_id"])
    assert listed == {row["prompt_id"] for rows in sets.values() for row in rows}
    assert load_json(tmp_path / "statistics.json") == values
    assert (tmp_path / "quarantine.jsonl").read_text() == ""
    assert len(load_json_rows(tmp_path / "benchmarks" / "embedded_pairwise.jsonl")) == 4 * (8 * 5 + 2 * 6)


def test_two_runs_write_the_same_bytes_and_another_seed_does_not(tmp_path, build, params):
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        build(params.model_copy(update={"seed": seed}), tmp_path / name)
    contents = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("one", "two", "three")
    ]
    assert contents[0] == contents[1]
    assert contents[0][Path("train/direct/part-00000.parquet")] != contents[2][Path("train/direct/part-00000.parquet")]


def test_files_are_shuffled_and_pairs_balanced(tmp_path, build, params):
    values = build(params, tmp_path)
    prompt_ids = [row["prompt_id"] for row in load_sets(tmp_path)["direct"]]
    assert sum(one == two for one, two in itertools.pairwise(prompt_ids)) < len(prompt_ids) / 10
    for name in ("pairwise", "validation_pairwise"):
        counts = values["formats"][name]["better_is"]
        assert abs(counts["A"] - counts["B"]) <= 1
        letters = [row["messages"][2]["content"][-1] for row in load_sets(tmp_path)[name]]
        assert letters.count("A") == counts["A"]


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 0), (1.0, 10)])
def test_reference_is_shown_by_probability(tmp_path, build, with_sources, raw_row, probability, expected):
    source = write_rows(tmp_path / "rows.jsonl", raw_row)
    build(with_sources(source, reference_probability=probability, validation_fraction=0.0), tmp_path)
    direct = load_sets(tmp_path)["direct"]
    shown = {row["prompt_id"] for row in direct if "Red." in row["messages"][1]["content"]}
    assert len(shown) == expected


def test_reference_is_shown_for_whole_instructions_and_in_both_formats_alike(tmp_path, build, with_sources, raw_row):
    source = write_rows(tmp_path / "rows.jsonl", raw_row, prompts=40)
    build(with_sources(source, reference_probability=0.5), tmp_path)
    shown: dict[str, set[bool]] = {}
    for rows in load_sets(tmp_path).values():
        for row in rows:
            shown.setdefault(row["prompt_id"], set()).add("Red." in row["messages"][1]["content"])
    assert all(len(answers) == 1 for answers in shown.values())
    assert 8 < sum(answers == {True} for answers in shown.values()) < 32


def test_cap_draws_whole_instructions(tmp_path, build, with_sources, raw_row):
    source = write_rows(tmp_path / "rows.jsonl", raw_row)
    build(with_sources(source, max_rows_per_format=8, validation_fraction=0.0), tmp_path)
    sets = load_sets(tmp_path)
    assert (len(sets["direct"]), len(sets["pairwise"])) == (6, 6)
    assert len({row["prompt_id"] for row in sets["direct"]}) == 2


def test_bad_rows_are_quarantined_and_the_rest_is_used(tmp_path, build, with_sources, raw_row):
    twice = raw_row(orig_response="Response 4")
    source = write_rows(tmp_path / "rows.jsonl", raw_row, extra=[raw_row(orig_score="6"), twice, twice])
    values = build(with_sources(source), tmp_path)
    left_out = {"quarantined": 1, "withdrawn": 0, "not_drawn": 0, "duplicates": 1}
    assert values["rows"] == {"read": 33, **left_out, "kept": 31}
    (bad,) = load_json_rows(tmp_path / "quarantine.jsonl")
    assert bad["line"] == 31
    assert bad["row"]["orig_score"] == "6"


def test_refused_source_leaves_the_sets_and_writes_the_quarantine(tmp_path, build, params, with_sources, raw_row):
    build(params, tmp_path)
    before = (tmp_path / "train" / "direct" / "part-00000.parquet").read_bytes()
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join(json.dumps(raw_row(orig_score="6")) for _ in range(3)))
    with pytest.raises(InputError, match="All 3 rows"):
        build(with_sources(str(path)), tmp_path)
    assert len(load_json_rows(tmp_path / "quarantine.jsonl")) == 3
    assert (tmp_path / "train" / "direct" / "part-00000.parquet").read_bytes() == before


def test_braces_in_a_row_stay_as_they_are_and_markers_are_made_harmless(tmp_path, build, with_sources, raw_row):
    row = {"orig_response": "Use {instruction} and [RESULT] 1.", "orig_score": "5", "orig_instruction": "Instruction 0"}
    source = write_rows(tmp_path / "rows.jsonl", raw_row, extra=[raw_row(**row)])
    values = build(with_sources(source, validation_fraction=0.0), tmp_path)
    (example,) = [
        row for row in load_sets(tmp_path)["direct"] if "Use {instruction} and (RESULT) 1." in str(row["messages"][1])
    ]
    assert values["findings"]["markers"]["count"] == 1
    assert example["messages"][2]["content"].endswith("[RESULT] 5")


@pytest.mark.real_data
def test_real_collection_gives_206_pairs_of_different_median(tmp_path, build, with_sources):
    if not REAL.is_file():
        pytest.skip(f"the collection is not at {REAL}")
    values = build(with_sources(str(REAL), max_pairs_per_instruction=None), tmp_path)
    assert (values["rows"]["read"], values["rows"]["kept"]) == (960, 960)
    assert (values["instructions"], values["responses"]) == (80, 320)
    formats = values["formats"]
    assert formats["direct"]["rows"] + formats["validation_direct"]["rows"] == 960
    assert formats["pairwise"]["rows"] + formats["validation_pairwise"]["rows"] == 206
    sets = load_sets(tmp_path)
    trained, held_back = (
        {row["prompt_id"] for name in SETS if name.startswith("validation") is side for row in sets[name]}
        for side in (False, True)
    )
    assert len(held_back) == 4 and trained.isdisjoint(held_back)
    lineage = load_table(tmp_path / "train", "lineage", LINEAGE_SCHEMA)
    assert lineage["row_id"].n_unique() == 960
    # A pair has two responses of three graders each, a direct example one row.
    behind = lineage.group_by("example_id").len()
    assert set(behind.filter(pl.col("example_id").str.contains("pairwise"))["len"]) == {6}
    assert set(behind.filter(~pl.col("example_id").str.contains("pairwise"))["len"]) == {1}


def test_a_source_that_dvc_does_not_watch_is_said(tmp_path, build, with_sources, raw_row, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "collections").mkdir()
    for name, said in (("rows.jsonl", True), ("collections/rows.jsonl", False)):
        write_rows(tmp_path / name, raw_row)
        build(with_sources(name), tmp_path)
        assert ("DVC does not watch" in " ".join(capsys.readouterr().err.split())) is said


@pytest.mark.parametrize("instructions", [3, 0])
def test_rows_of_the_form_are_whole_sets_or_none(tmp_path, build, params, instructions):
    embedded = params.embedded.model_copy(update={"form_instructions": instructions})
    build(params.model_copy(update={"embedded": embedded}), tmp_path)
    rows = load_sets(tmp_path, "form")
    assert len(rows["direct"]) + len(rows["validation_direct"]) == 8 * instructions * 5
    assert bool(rows["pairwise"]) is bool(instructions)
    trained = set(load_instructions(tmp_path)["instruction"])
    assert trained.isdisjoint(load_instructions(tmp_path, "form")["instruction"])


def test_rows_that_a_check_sets_aside_are_quarantined_with_its_name(tmp_path, build, with_sources, raw_row, params):
    secret = raw_row(orig_response="The key is AKIA" + "IOSFODNN7EXAMPLE.", orig_instruction="Instruction 0")
    source = write_rows(tmp_path / "rows.jsonl", raw_row, extra=[secret])
    quality = params.quality.model_dump()
    quality["secrets"]["action"] = "quarantine"
    quality["lengths"]["action"] = "skip"
    values = build(with_sources(source, quality=quality), tmp_path)
    assert (values["rows"]["quarantined"], values["rows"]["kept"]) == (1, 30)
    assert values["sources"]["source0"]["quarantined"] == 1
    (bad,) = load_json_rows(tmp_path / "quarantine.jsonl")
    assert (bad["source"], bad["line"], bad["reason"]) == ("source0", 31, "secrets: holds AWS Access Key")
    assert bad["row"]["response"].startswith("The key is")
    assert all("AKIA" not in str(row) for rows in load_sets(tmp_path).values() for row in rows)
    assert "AWS Access Key: 1" in (tmp_path / "data.html").read_text()
    assert "| Secrets | 1 |" in (tmp_path / "data_card.md").read_text()


def test_a_failed_check_leaves_the_sets_and_writes_what_it_found(tmp_path, build, with_sources, raw_row, params):
    source = write_rows(tmp_path / "rows.jsonl", raw_row)
    build(with_sources(source), tmp_path)
    before = (tmp_path / "train" / "direct" / "part-00000.parquet").read_bytes()
    quality = params.quality.model_dump()
    quality["balance"]["max_score_share"] = 0.2
    with pytest.raises(InputError, match="score_balance: 10 of 30 rows"):
        build(with_sources(source, quality=quality, seed=7), tmp_path)
    assert (tmp_path / "train" / "direct" / "part-00000.parquet").read_bytes() == before
    assert not load_json(tmp_path / "statistics.json")["findings"]["score_balance"]["passed"]
    assert "but 1 of" in (tmp_path / "data.html").read_text()


def test_the_profile_counts_alike_in_one_bucket_and_in_many(tmp_path, build, with_sources, raw_row, monkeypatch):
    source = write_rows(tmp_path / "rows.jsonl", raw_row, prompts=40)
    whole = build(with_sources(source), tmp_path / "one")["profile"]
    monkeypatch.setattr(collecting, "choose_bucket_count", lambda _: 4)
    parts = build(with_sources(source), tmp_path / "four")["profile"]
    assert (whole["measured"]["buckets"], parts["measured"]["buckets"]) == (1, 4)
    assert 0 < parts["measured"]["rows"] < whole["measured"]["rows"] == 120
    counts = ("rubrics", "instructions", "references", "responses", "instances", "feedback", "feedback_by_verdict")
    for kind in ("direct", "pairwise"):
        found, expected = parts["table"][kind], whole["table"][kind]
        assert {name: found[name] for name in counts} == {name: expected[name] for name in counts}
    assert (parts["scores"], parts["positions"]) == (whole["scores"], whole["positions"])
    assert "one of 4 parts" in (tmp_path / "four" / "data_card.md").read_text()


def test_a_source_that_may_be_empty_is_counted_and_on_the_card_and_changes_no_set(
    tmp_path, build, with_sources, raw_row
):
    rows = write_rows(tmp_path / "rows.jsonl", raw_row)
    (tmp_path / "none.jsonl").write_text("")
    none = {"path": str(tmp_path / "none.jsonl"), "name": "corrections", "may_be_empty": True}
    values = build(with_sources(rows, none), tmp_path / "with")
    assert values["sources"]["corrections"] == {"read": 0, "quarantined": 0, "withdrawn": 0}
    card = (tmp_path / "with" / "data_card.md").read_text()
    (line,) = [each for each in card.splitlines() if each.startswith("| corrections ")]
    assert line.endswith("| 0 |")
    build(with_sources(rows), tmp_path / "without")
    assert load_sets(tmp_path / "with") == load_sets(tmp_path / "without")
    with pytest.raises(InputError, match="none is left to learn from"):
        build(with_sources(none), tmp_path / "nothing")
