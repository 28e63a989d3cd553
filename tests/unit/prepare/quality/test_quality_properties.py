"""What holds whatever the rows: none is lost, counts add up, a second look finds nothing, order does not matter."""

import itertools
import json
from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_rows import COLLECTION, SCHEMA, build_rows, check_rows, list_ids, list_reasons, load_committed

from judgeforge.files import load_json_rows
from judgeforge.params import QualityParams
from judgeforge.prepare.quality import RowChecks, languages, require_passed, secrets

ALL_BUT_RELATIVE = ("markers", "duplicates", "secrets", "emails", "contradictions")
NASTY = ["", "[RESULT] 5", "[RES\u200bULT] A", '"verdict": 4', "a@b.org", "A score of 2.", "\x00", "\U0001f600" * 9]
NASTY += [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "x" * 3000,
    "Excellent, flawless.",
    "It completely fails.",
    "e\u0301",
    "{",
    "\\",
    "\ufdfa",
]
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
CHANGES = st.fixed_dictionaries(
    {
        "instruction": st.one_of(st.just("Name a colour."), TEXTS.filter(str.strip)),
        "response": TEXTS,
        "reference": st.none() | TEXTS,
        "feedback": st.none() | TEXTS,
        "criteria": st.sampled_from(["Is it a colour?", "Is it nice?"]),
        "score": st.integers(0, 10),
        "levels": st.sampled_from([["fail", "pass"], ["1", "2", "3", "4", "5"]]),
    }
)
STEADY_PACE = settings(deadline=None, max_examples=25)
"""Polars' first calls start its threads."""
FRAMES = st.lists(CHANGES, max_size=10).map(lambda changes: build_rows(*changes))


def with_action(action: str, *names: str) -> QualityParams:
    values: dict[str, Any] = load_committed().model_dump()
    for check in (*ALL_BUT_RELATIVE, "language", "lengths"):
        values[check]["action"] = action if check in names else "skip"
    for each in ("instructions", "responses"):
        values["near_duplicates"][each]["action"] = action if "near_duplicates" in names else "skip"
    if action == "quarantine" and "markers" in names:
        values["markers"]["action"] = "neutralise"
    return QualityParams.model_validate(values)


EVERYTHING = with_action("quarantine", *ALL_BUT_RELATIVE, "language", "lengths", "near_duplicates")
STEADY = with_action("quarantine", *ALL_BUT_RELATIVE, "near_duplicates")
ORDERLESS = with_action("quarantine", "markers", "secrets", "emails", "contradictions", "language", "lengths")


@STEADY_PACE
@given(FRAMES)
def test_no_row_is_lost_and_the_counts_add_up(rows):
    checked = check_rows(rows, EVERYTHING)
    assert sorted([*checked.kept["line"], *checked.quarantined["line"]]) == rows["line"].to_list()
    assert checked.kept.schema == pl.Schema(SCHEMA)
    assert list_ids(checked.kept) == [row_id for row_id in rows["row_id"] if row_id in set(checked.kept["row_id"])]
    by_check = Counter(reason.split(": ")[0] for reason in checked.quarantined["reason"])
    found = {name: each["count"] for name, each in checked.findings.items() if each["action"] == "quarantine"}
    assert {name: count for name, count in found.items() if count} == dict(by_check)
    assert all(json.loads(row)["row_id"] in set(rows["row_id"]) for row in checked.quarantined["row"])
    assert json.loads(json.dumps(checked.findings)) == checked.findings


@STEADY_PACE
@given(FRAMES)
def test_rows_that_were_kept_are_kept_again(rows):
    kept = check_rows(rows, STEADY).kept
    again = check_rows(kept, STEADY)
    assert again.kept.equals(kept)
    assert again.quarantined.is_empty()


@STEADY_PACE
@given(FRAMES, st.randoms(use_true_random=False))
def test_what_looks_at_rows_alone_does_not_depend_on_their_order(rows, random):
    places = list(range(rows.height))
    random.shuffle(places)
    one, other = check_rows(rows, ORDERLESS), check_rows(rows[places], ORDERLESS)
    assert one.kept.equals(other.kept.sort("line"))
    assert one.quarantined.sort("line").equals(other.quarantined.sort("line"))
    for name, finding in one.findings.items():
        assert drop_examples(finding) == drop_examples(other.findings[name]), name


def drop_examples(finding: Any) -> Any:
    if not isinstance(finding, dict):
        return finding
    return {key: drop_examples(value) for key, value in finding.items() if key != "examples"}


@STEADY_PACE
@given(FRAMES, st.randoms(use_true_random=False))
def test_as_many_duplicates_are_found_in_any_order(rows, random):
    places = list(range(rows.height))
    random.shuffle(places)
    params = with_action("quarantine", "duplicates")
    assert check_rows(rows, params).kept.height == check_rows(rows[places], params).kept.height


@STEADY_PACE
@given(FRAMES)
def test_reporting_changes_no_row(rows):
    names = (*ALL_BUT_RELATIVE, "language", "lengths", "near_duplicates")
    checked = check_rows(rows, with_action("report", *names))
    assert checked.kept.equals(rows)
    assert checked.quarantined.is_empty()
    assert {"near_instructions", "near_responses", "score_balance"} < set(checked.findings)


def test_the_number_of_processes_changes_nothing(monkeypatch):
    monkeypatch.setattr(languages, "_FEWEST_FOR_PROCESSES", 10)
    monkeypatch.setattr(languages, "_CHUNK", 7)
    kinds = (
        "The river number {} flows to the sea.",
        "Der Fluss Nummer {} fließt ins Meer.",
        "第{}条河流入大海，非常美丽。",
    )
    numbers = ("one", "two", "three", "vier", "fünf", "sechs", "seven", "acht", "neun", "ten")
    texts = pl.Series([kind.format(number) for number in numbers for kind in kinds] + ["", "No."])
    params = load_committed().language.model_copy(update={"min_bytes": 10})
    codes = []
    for processes, starts in ((1, [0, 32]), (2, [0, 32]), (2, [0, 3, 23, 32])):
        reader = languages.LanguageReader(params, processes)
        for start, end in itertools.pairwise(starts):
            reader.take(texts[start:end])
        codes.append(reader.read().to_list())
        reader.close()
    assert codes[0] == codes[1] == codes[2]
    assert codes[0][:3] + codes[0][-2:] == ["en", "de", "zh", "unknown", "unknown"]


@STEADY_PACE
@given(FRAMES, st.integers(1, 5))
def test_chunks_change_nothing(rows, size):
    whole = check_rows(rows, EVERYTHING)
    with RowChecks(EVERYTHING) as checks:
        parts = [checks.look_at(part) for part in (rows.iter_slices(size) if rows.height else [rows])]
        decision = checks.decide()
    assert decision.findings == whole.findings
    assert decision.reasons.drop_nulls().to_list() == whole.quarantined["reason"].to_list()
    assert pl.concat(parts).filter(decision.reasons.is_null()).equals(whole.kept)


def test_checks_that_looked_at_nothing_find_nothing():
    with RowChecks(EVERYTHING) as checks:
        decision = checks.decide()
    assert (len(decision.reasons), sum(finding["count"] for finding in decision.findings.values())) == (0, 0)


def test_compared_rows_are_checked_in_both_responses():
    graded = build_rows(*[{}] * 20)
    texts = {"response_a": ["Fine."] * 20, "response_b": ["Good."] * 20}
    texts["response_a"][1], texts["response_b"][3] = "[RESULT] A", "[RESULT] B"
    texts["response_b"][2] = "ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx"
    rows = graded.drop("score", "response").with_columns(pl.DataFrame(texts), choice=pl.lit("A"))
    again = rows.tail(1).with_columns(row_id=pl.lit("again"), line=pl.lit(21, dtype=pl.Int64))
    checked = check_rows(pl.concat([rows, again]), STEADY)
    found = {"instruction": 0, "response_a": 1, "response_b": 1, "reference": 0}
    assert checked.findings["markers"]["markers"] == found
    assert checked.kept["response_a"][1] == "(RESULT) A"
    reasons = {3: "secrets: holds GitHub Token", 21: "duplicates: the same as row rows:20"}
    assert list_reasons(checked.quarantined) == reasons
    assert not {"score_balance", "contradictions", "near_responses"} & set(checked.findings)


@pytest.mark.real_data
def test_the_real_collection_as_it_is():
    if not COLLECTION.is_file():
        pytest.skip(f"the collection is not at {COLLECTION}")
    names = ("instruction", "response", "criteria", "feedback")
    rows = build_rows(
        *(
            {name: row[f"orig_{name}"].strip() for name in names}
            | {
                "reference": row["orig_reference_answer"],
                "levels": [row[f"orig_score{level}_description"] for level in range(1, 6)],
                "score": int(row["orig_score"]),
            }
            for row in load_json_rows(COLLECTION)
        ),
        source="vicuna",
    )
    checked = check_rows(rows, EVERYTHING)
    counts = {name: finding["count"] for name, finding in checked.findings.items()}
    assert counts == REAL_COUNTS
    assert checked.findings["score_balance"]["scores"] == REAL_SCORES
    require_passed(checked.findings)


REAL_COUNTS = {
    "markers": 0,
    "duplicates": 0,
    "secrets": 0,
    "emails": 0,
    "language": 0,
    "lengths": 9,
    "contradictions": 0,
    "near_instructions": 0,
    "near_responses": 0,
    "score_balance": 489,
}
REAL_SCORES = {"1": 12, "2": 38, "3": 80, "4": 489, "5": 332}


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_secret_is_without_the_signs_that_are_looked_for_first(data):
    patterns = [pattern for detector in secrets.build_detectors() for pattern in detector.denylist]
    secret = data.draw(st.sampled_from(patterns).flatmap(st.from_regex))
    texts = pl.Series([secret, f"It says {secret} here."])
    matched = texts.str.contains(secrets.build_pattern())
    signed = texts.to_frame("text").select(pl.any_horizontal(pl.col("text").str.contains(s) for s in secrets.SIGNS))
    assert not (matched & ~signed.to_series()).any()
