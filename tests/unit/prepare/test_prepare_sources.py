import json

import polars as pl
import pytest

from judgeforge.errors import InputError
from judgeforge.prepare.collecting import collect_rows, require_usable
from judgeforge.prepare.contract.heads import read_head
from judgeforge.prepare.rows import GRADED, QuarantinedRow
from judgeforge.prepare.sources.loading import Loader, SourceCounts
from judgeforge.prepare.sources.reading import CHUNK_BYTES, read_chunks

BAD_ROWS = [
    ({"orig_score": ...}, "orig_score is missing"),
    ({"orig_score": None}, "orig_score is missing"),
    ({"orig_score": "6"}, "'6' is not a whole score from 1 to 5"),
    ({"orig_score": 0}, "0 is not a whole score"),
    ({"orig_score": 4.5}, "4.5 is not a whole score"),
    ({"orig_score": "04"}, "'04' is not a whole score"),
    ({"orig_score": True}, "True is not a whole score"),
    ({"orig_score5_description": ...}, "orig_score5_description is missing"),
    ({"orig_score2_description": ["x"]}, "orig_score2_description: list instead of text"),
    ({"orig_instruction": "  "}, "orig_instruction is blank"),
    ({"orig_response": 7}, "orig_response: int instead of text"),
    ({"orig_reference_answer": 7}, "orig_reference_answer: int instead of text"),
    ({"orig_response": "x\ud800"}, "orig_response: holds a lone surrogate"),
    ({"orig_feedback": ""}, "orig_feedback is blank"),
    ({"orig_feedback": None, "orig_score": 9}, "orig_feedback is missing; orig_score: 9 is not"),
]


@pytest.mark.parametrize(("changed", "reason"), BAD_ROWS)
def test_bad_row_is_set_aside_with_its_number_and_reason(check, raw_row, changed, reason):
    good, bad = check([raw_row(), raw_row(**changed), raw_row()])
    assert good["line"].to_list() == [1, 3]
    assert good.schema == GRADED
    ((line, found),) = bad
    assert line == 2
    assert reason in found


def test_row_is_read_with_white_space_stripped_and_other_columns_ignored(check, raw_row):
    changed = {"orig_response": " Blue.\n", "orig_reference_answer": " ", "orig_score": 3, "family": "x"}
    row = check([raw_row(**changed)])[0].row(0, named=True)
    assert (row["response"], row["reference"], row["score"]) == ("Blue.", None, 3)
    assert row["levels"] == ["level 1", "level 2", "level 3", "level 4", "level 5"]
    assert row["row_id"] == "x:1"
    assert check([raw_row(orig_response="", orig_score=" 4 ")])[0]["score"].to_list() == [4]


def test_bad_lines_do_not_lose_a_json_lines_file(tmp_path, load, raw_row):
    good = json.dumps(raw_row(orig_response="Blüe."), ensure_ascii=False).encode()
    undecodable = json.dumps(raw_row()).encode().replace(b"Blue", b"Bl\xffe")
    path = tmp_path / "rows.json"
    path.write_bytes(b"\n".join([good, b"", b'{"orig_score": ', undecodable, b"[1]", good + b"\r", b"[" * 100_000]))
    rows, bad, loader = load(path)
    assert rows["response"].to_list() == ["Blüe.", "Blüe."]
    assert rows["line"].to_list() == [1, 6]
    assert [row.line for row in bad] == [3, 4, 5, 7]
    broken, lossy, array, deep = bad
    assert "not valid JSON at column 16" in broken.reason
    assert broken.raw == '{"orig_score":'
    assert "not UTF-8" in lossy.reason
    assert "Bl\N{REPLACEMENT CHARACTER}e" in lossy.raw
    assert array.reason == "not a JSON object"
    assert "not valid JSON" in deep.reason
    assert loader.counts["source0"] == SourceCounts(read=6, quarantined=4)


@pytest.mark.parametrize("line", [b"[1]", b"[" * 2_000, b"\n [[{}]]", b'["text"]'])
def test_a_first_line_that_is_no_row_does_not_make_an_array_of_the_file(tmp_path, load, raw_row, line):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line + b"\n" + json.dumps(raw_row()).encode() + b'\n{"orig_response": "\xff"}')
    rows, bad, _ = load(path)
    assert rows.height == 1 and len(bad) == 2


def test_what_only_the_standard_library_parses_is_read_too(tmp_path, load, raw_row):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(raw_row(other=float("nan"))) + "\n" + json.dumps(raw_row(other=10**30)))
    rows, bad, _ = load(path)
    assert (rows.height, bad) == (2, [])


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.parquet"])
def test_format_is_told_by_content(tmp_path, load, raw_row, name):
    rows = [raw_row(), raw_row(orig_score="9"), raw_row(orig_response="Green.")]
    contents = {
        "json": json.dumps(rows, indent=1).encode(),
        "lines": b"\xef\xbb\xbf" + "\n".join(json.dumps(row) for row in rows).encode(),
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "frame")
    contents["parquet"] = (tmp_path / "frame").read_bytes()
    suffix_allows = ["parquet"] if name.endswith("parquet") else list(contents)
    for kind in suffix_allows:
        path = tmp_path / name
        path.write_bytes(contents[kind])
        good, bad, _ = load(path)
        assert good["response"].to_list() == ["Blue.", "Green."], kind
        assert [row.line for row in bad] == [2]
        assert bad[0].raw == rows[1]


def test_parquet_of_other_types_is_read_where_they_fit_and_set_aside_where_not(tmp_path, load, raw_row):
    rows = [raw_row(orig_score=3), raw_row(orig_score=9)]
    frame = pl.DataFrame(rows).with_columns(pl.col("orig_criteria").cast(pl.Categorical))
    frame.write_parquet(tmp_path / "rows")
    good, bad, _ = load(tmp_path / "rows")
    assert (good["score"].to_list(), good["criteria"].to_list()) == ([3], ["Is it a colour?"])
    assert "9 is not a whole score" in bad[0].reason
    frame.with_columns(pl.lit(1.5).alias("orig_response")).write_parquet(tmp_path / "rows")
    assert "orig_response: float instead of text" in load(tmp_path / "rows")[1][0].reason


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("empty.jsonl", b" \n\n", "is empty"),
        ("empty.parquet", b"", "is empty"),
        ("broken.json", b'[{"orig_score": "1"},', "is not valid JSON at line 1"),
        ("comma.json", b'[{"a": 1}\n {"a": 2}]', "is not valid JSON at line 2, column 2: Expecting ','"),
        ("more.json", b'[{"a": 1}]\n[2]', "is not valid JSON at line 2, column 1: Extra data"),
        ("latin.json", b'[{"a": "\xff"}]', "is not UTF-8"),
        ("cut.parquet", b"PAR1\x00\x00\x01", "is cut off or not a Parquet file"),
        ("other.parquet", b"no parquet at all", "is cut off or not a Parquet file"),
    ],
)
def test_file_that_is_broken_as_a_whole_is_an_error(tmp_path, load, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=problem):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["blank.jsonl", "nothing.jsonl", "array.json", "frame.parquet"])
def test_a_source_that_may_be_empty_has_no_rows_and_says_so(tmp_path, with_sources, raw_row, capsys, name):
    path = tmp_path / name
    pl.DataFrame([raw_row()]).clear().write_parquet(tmp_path / "none")
    contents = {"blank.jsonl": b" \n\n", "array.json": b"[]", "frame.parquet": (tmp_path / "none").read_bytes()}
    path.write_bytes(contents.get(name, b""))
    (tmp_path / "rows.jsonl").write_text(json.dumps(raw_row()) + "\n")
    params = with_sources({"path": str(path), "may_be_empty": True}, tmp_path / "rows.jsonl")
    loader = Loader(params, [], 5, blank_feedback=False)
    found = collect_rows(loader, params, None, tmp_path / "scratch", tmp_path / "bad.jsonl")
    assert [counts.read for counts in found.counts.values()] == [0, 1]
    assert f"The source source0 ({path}) has no row." in capsys.readouterr().err
    assert read_head(params.sources[0]).height == 0  # a template is recovered from the other sources
    with pytest.raises(InputError, match=r"may_be_empty: true"):
        params = with_sources({"path": str(path), "may_be_empty": False}, tmp_path / "rows.jsonl")
        loader = Loader(params, [], 5, blank_feedback=False)
        collect_rows(loader, params, None, tmp_path / "again", tmp_path / "bad.jsonl")


def test_a_parquet_file_of_no_bytes_is_broken_whatever_may_be_empty(tmp_path, load):
    (tmp_path / "empty.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        load({"path": str(tmp_path / "empty.parquet"), "may_be_empty": True})


def test_parquet_cut_in_the_middle_is_an_error(tmp_path, load, raw_row):
    path = tmp_path / "rows.parquet"
    pl.DataFrame([raw_row(orig_response=str(number)) for number in range(500)]).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="cut off"):
        load(path)


def test_missing_file_names_the_parameter(tmp_path, load):
    with pytest.raises(InputError, match=r"absent\.jsonl.*prepare\.sources"):
        load(tmp_path / "absent.jsonl")


@pytest.mark.parametrize("kind", ["array", "lines", "parquet"])
def test_large_files_come_in_several_chunks_and_lose_nothing(tmp_path, raw_row, kind):
    rows = [raw_row(orig_response=f"é{number} " * 800) for number in range(9_000)]
    path = tmp_path / "rows"
    if kind == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        path.write_text("[" + ",\n".join(lines) + "]" if kind == "array" else "\n".join(lines))
        assert path.stat().st_size > 2 * CHUNK_BYTES
    chunks = list(read_chunks(path))
    assert len(chunks) > 1
    assert [line for chunk in chunks for line in chunk.lines] == list(range(1, 9_001))
    responses = [text for chunk in chunks for text in chunk.get_texts("orig_response")[0]]
    assert responses == [row["orig_response"] for row in rows]


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [(0, 0, "has no row"), (0, 2, "All 2 rows of"), (1, 2, "2 of the 3 rows"), (2, 2, None), (1, 0, None)],
)
def test_more_bad_rows_than_good_ones_are_refused(tmp_path, good, bad, problem):
    counts = SourceCounts(read=good + bad, quarantined=bad)
    first = QuarantinedRow("mine", 1, "reason", {}) if bad else None
    if problem is None:
        require_usable("mine", counts, first, tmp_path)
    else:
        with pytest.raises(InputError, match=problem):
            require_usable("mine", counts, first, tmp_path)
