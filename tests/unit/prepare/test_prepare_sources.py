import json

import polars as pl
import pytest

from judgeforge.errors import InputError
from judgeforge.prepare.quality import drop_duplicates
from judgeforge.prepare.sources import load_collection, parse_rows, require_usable

BAD_ROWS = [
    ({"orig_score": ...}, "orig_score is missing"),
    ({"orig_score": None}, "orig_score is missing"),
    ({"orig_score": "6"}, "'6' is not a whole score from 1 to 5"),
    ({"orig_score": 0}, "0 is not a whole score"),
    ({"orig_score": 4.5}, "4.5 is not a whole score"),
    ({"orig_score": True}, "True is not a whole score"),
    ({"orig_score5_description": ...}, "orig_score5_description is missing"),
    ({"orig_instruction": "  "}, "orig_instruction is blank"),
    ({"orig_response": 7}, "orig_response: "),
    ({"orig_feedback": ""}, "orig_feedback is blank"),
]


@pytest.mark.parametrize(("changed", "reason"), BAD_ROWS)
def test_bad_row_is_set_aside_with_its_number_and_reason(raw_row, changed, reason):
    collection = parse_rows([(1, raw_row()), (2, raw_row(**changed)), (3, raw_row())])
    assert len(collection.rows) == 2
    (bad,) = collection.quarantined
    assert bad.line == 2
    assert reason in bad.reason
    assert bad.raw == raw_row(**changed)


def test_row_is_read_with_white_space_stripped_and_other_columns_ignored(raw_row):
    changed = {"orig_response": " Blue.\n", "orig_reference_answer": " ", "orig_score": 3, "family": "x"}
    (row,) = parse_rows([(1, raw_row(**changed))]).rows
    assert (row.response, row.reference, row.score) == ("Blue.", None, 3)
    assert row.rubric.levels == ("level 1", "level 2", "level 3", "level 4", "level 5")


def test_bad_lines_do_not_lose_a_json_lines_file(tmp_path, raw_row):
    good = json.dumps(raw_row(orig_response="Blüe."), ensure_ascii=False).encode()
    undecodable = json.dumps(raw_row()).encode().replace(b"Blue", b"Bl\xffe")
    path = tmp_path / "rows.json"
    path.write_bytes(b"\n".join([good, b"", b'{"orig_score": ', undecodable, b"[1]", good + b"\r", b"[" * 100_000]))
    collection = load_collection(path)
    assert [row.response for row in collection.rows] == ["Blüe.", "Blüe."]
    assert [row.line for row in collection.quarantined] == [3, 4, 5, 7]
    broken, lossy, array, deep = collection.quarantined
    assert "not valid JSON at column 16" in broken.reason
    assert broken.raw == '{"orig_score":'
    assert "not UTF-8" in lossy.reason
    assert "Bl\N{REPLACEMENT CHARACTER}e" in lossy.raw
    assert array.reason == "not a JSON object"
    assert "not valid JSON" in deep.reason


def test_lone_surrogate_is_set_aside_in_a_form_that_can_be_written(raw_row):
    (bad,) = parse_rows([(1, raw_row(orig_response="x\ud800"))]).quarantined
    assert json.dumps(bad.raw, ensure_ascii=False).encode()


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.parquet"])
def test_format_is_told_by_content(tmp_path, raw_row, name):
    rows = [raw_row(), raw_row(orig_score="9"), raw_row(orig_response="Green.")]
    contents = {
        "json": json.dumps(rows).encode(),
        "lines": b"\xef\xbb\xbf" + "\n".join(json.dumps(row) for row in rows).encode(),
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "frame")
    contents["parquet"] = (tmp_path / "frame").read_bytes()
    suffix_allows = ["parquet"] if name.endswith("parquet") else list(contents)
    for kind in suffix_allows:
        path = tmp_path / name
        path.write_bytes(contents[kind])
        collection = load_collection(path)
        assert [row.response for row in collection.rows] == ["Blue.", "Green."], kind
        assert [row.line for row in collection.quarantined] == [2]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("empty.jsonl", b" \n\n", "is empty"),
        ("empty.parquet", b"", "is empty"),
        ("broken.json", b'[{"orig_score": "1"},', "is not valid JSON at line 1"),
        ("latin.json", b'["\xff"]', "is not UTF-8"),
        ("cut.parquet", b"PAR1\x00\x00\x01", "is cut off or not a Parquet file"),
        ("other.parquet", b"no parquet at all", "is cut off or not a Parquet file"),
    ],
)
def test_file_that_is_broken_as_a_whole_is_an_error(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=problem):
        load_collection(tmp_path / name)


def test_parquet_cut_in_the_middle_is_an_error(tmp_path, raw_row):
    path = tmp_path / "rows.parquet"
    pl.DataFrame([raw_row(orig_response=str(number)) for number in range(500)]).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="cut off"):
        load_collection(path)


def test_missing_file_names_the_parameter(tmp_path):
    with pytest.raises(InputError, match=r"No such file.*prepare\.source"):
        load_collection(tmp_path / "absent.jsonl")


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [(0, 0, "has no row"), (0, 2, "All 2 rows of"), (1, 2, "2 of the 3 rows"), (2, 2, None), (1, 0, None)],
)
def test_more_bad_rows_than_good_ones_are_refused(tmp_path, raw_row, good, bad, problem):
    rows = [raw_row()] * good + [raw_row(orig_score="6")] * bad
    collection = parse_rows(enumerate(rows, start=1))
    if problem is None:
        require_usable(collection, "rows.jsonl", tmp_path)
        assert len(collection.rows) == good
    else:
        with pytest.raises(InputError, match=problem):
            require_usable(collection, "rows.jsonl", tmp_path)


def test_duplicates_are_dropped_and_several_graders_kept(raw_row):
    rows = [
        raw_row(),
        raw_row(orig_response=" Blue. "),
        raw_row(orig_feedback="Another grader."),
        raw_row(orig_score="5"),
        raw_row(orig_criteria="Is it nice?"),
    ]
    kept = drop_duplicates(parse_rows(enumerate(rows, start=1)).rows)
    assert [(row.feedback, row.score, row.criteria) for row in kept] == [
        ("It names one.", 4, "Is it a colour?"),
        ("Another grader.", 4, "Is it a colour?"),
        ("It names one.", 5, "Is it a colour?"),
        ("It names one.", 4, "Is it nice?"),
    ]
