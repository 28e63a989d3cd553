import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from judgeforge.corrections.taking import Taken, take_corrections
from judgeforge.errors import InputError
from judgeforge.files import load_json_rows
from judgeforge.params import AuditParams, PrepareParams, load_section
from judgeforge.params.sources import FeedbackColumns, PreferenceColumns
from judgeforge.prepare.collecting import collect_rows
from judgeforge.prepare.sources.checking import Checker
from judgeforge.prepare.sources.loading import Loader
from judgeforge.prepare.sources.reading import read_chunks

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
RUBRIC = {"criteria": "Is it right?", "levels": ["no", "hardly", "half", "nearly", "yes"]}
AUDIT = AuditParams(ngram_words=5, ngram_share=0.5)
COLUMNS = {name: name for name in ("id", "instruction", "reference", "criteria", "levels", "feedback")}


def make(**changes: Any) -> dict[str, Any]:
    item = {"instruction": "Add 1 and 1.", "response": "3", "rubric": RUBRIC}
    row = {"item": item, "score": 1, "feedback": "It is 2.", "who": "bea", "when": "2026-11-25T10:00:00Z"}
    return row | {"judged": {"score": 5, "feedback": "Right.", "model_version": "7", "finish": "verdict"}} | changes


def make_pair(**changes: Any) -> dict[str, Any]:
    item = {"instruction": "Add 2 and 2.", "response_a": "4", "response_b": "5", "rubric": RUBRIC}
    return make(item=item, score=None, choice="A", feedback="4 is right.", judged=None) | changes


class Inbox:
    def __init__(self, folder: Path) -> None:
        self.folder, self.into, self.quarantine = folder / "inbox", folder / "kept", folder / "refused.jsonl"
        self.folder.mkdir()

    def hand_in(self, *rows: Any, name: str = "a.jsonl") -> None:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (self.folder / name).write_text("\n".join(lines) + "\n")

    def take(self, **held_out: list[str]) -> Taken:
        return take_corrections(self.folder, self.into, self.quarantine, held_out, AUDIT, NOW)

    def load(self, name: str = "direct.jsonl") -> list[dict[str, Any]]:
        return load_json_rows(self.into / name)

    def list_reasons(self) -> list[str]:
        return [row["reason"] for row in load_json_rows(self.quarantine)]


@pytest.fixture(scope="module")
def prepare() -> PrepareParams:
    return load_section("prepare", PrepareParams, ROOT / "params.yaml")


def load_source(inbox: Inbox, prepare: PrepareParams, **more: Any) -> tuple[list[dict[str, Any]], int]:
    """Read the collection of responses as ``prepare`` does: its rows, and how many were read."""
    columns = COLUMNS | {"response": "response", "score": "score"}
    source = {"name": "corrections", "kind": "file", "path": str(inbox.into / "direct.jsonl"), "columns": columns}
    sources = [source | {"weight": 1.0} | more]
    params = PrepareParams.model_validate(prepare.model_dump() | {"sources": sources})
    loader = Loader(params, [], 5, blank_feedback=False)
    with tempfile.TemporaryDirectory() as scratch:
        collection = collect_rows(loader, params, None, Path(scratch) / "rows", Path(scratch) / "bad.jsonl")
    return collection.graded_keys.to_dicts(), collection.counts["corrections"].read


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path)


def test_prepare_reads_what_was_taken(inbox: Inbox) -> None:
    inbox.hand_in(make(), make_pair())
    taken = inbox.take()
    assert (taken.rows, taken.added, taken.refused) == ({"direct.jsonl": 1, "pairwise.jsonl": 1}, 2, 0)
    direct = FeedbackColumns(**COLUMNS, response="response", score="score")
    pairs = PreferenceColumns(**COLUMNS, response_a="response_a", response_b="response_b", preference="preference")
    found = {}
    for name, layout in (("direct", direct), ("pairwise", pairs)):
        (chunk,) = read_chunks(inbox.into / f"{name}.jsonl")
        found[name], faults = Checker(layout, levels=5, blank_feedback=False).check(chunk, name)
        assert faults == []
    assert found["direct"].select("instruction", "response", "feedback", "score").rows() == [
        ("Add 1 and 1.", "3", "It is 2.", 1)
    ]
    assert found["pairwise"].select("response_a", "choice").rows() == [("4", "A")]


def test_the_latest_of_each_person_counts_whatever_the_order_and_keeps_its_id(inbox: Inbox) -> None:
    late = make(score=2, when="2026-11-25T13:00:00+02:00")
    inbox.hand_in(late, make(), make(who="carl", score=4))
    inbox.take()
    rows = {row["who"]: row for row in inbox.load()}
    assert (rows["bea"]["score"], rows["carl"]["score"]) == (2, 4)
    inbox.hand_in(make(score=3, when="2026-11-26T08:00:00Z"), name="b.jsonl")
    taken = inbox.take()
    assert (taken.added, taken.replaced) == (0, 1)
    again = {row["who"]: row for row in inbox.load()}
    assert again["bea"]["score"] == 3
    assert again["bea"]["id"] == rows["bea"]["id"] != again["carl"]["id"]


def test_taking_twice_changes_nothing_and_what_left_the_inbox_stays(inbox: Inbox) -> None:
    inbox.hand_in(make(), make_pair())
    inbox.take()
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in inbox.into.iterdir()}
    assert inbox.take().changed == ()
    (inbox.folder / "a.jsonl").unlink()
    assert inbox.take().changed == ()
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in inbox.into.iterdir()} == before


BAD = {
    "off the scale": (make(score=6), "a response needs a score from 1 to 5"),
    "no verdict": (make(score=None), "a response needs a score"),
    "a truth value": (make(score=True), "score Input should be a valid integer"),
    "a tie": (make_pair(choice="tie"), "choice Input should be 'A' or 'B'"),
    "a score for two": (make_pair(score=3), "two responses need a choice"),
    "no reason for another verdict": (make(feedback=None), "feedback is missing"),
    "nobody": (make(who=" "), "who String should have at least 1 character"),
    "no time zone": (make(when="2026-11-25T10:00:00"), "when Input should have timezone info"),
    "the future": (make(when="2026-11-26T14:00:00Z"), "lies in the future"),
    "an unknown key": (make(colour="red"), "colour is unknown"),
    "no instruction": (make(item={"response": "3", "rubric": RUBRIC}), "item.instruction is missing"),
    "half a line": ('{"item": {"instr', "the line is no JSON object"),
    "half a character": ('{"who": "\\ud800"}', "the line is no JSON object"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_correction_is_refused_with_its_reason_and_the_rest_is_taken(inbox: Inbox, case: str) -> None:
    row, reason = BAD[case]
    inbox.hand_in(row, make())
    assert inbox.take().refused == 1
    (said,) = load_json_rows(inbox.quarantine)
    assert reason in said["reason"]
    assert (said["place"], said["line"]) == (str(inbox.folder / "a.jsonl"), 1)
    assert len(inbox.load()) == 1


def test_a_line_that_is_no_text_costs_itself_alone(inbox: Inbox) -> None:
    cut = json.dumps(make(who="zoë"), ensure_ascii=False).encode().partition("ë".encode())[0] + b"\xc3"
    good = json.dumps(make()).encode()
    (inbox.folder / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + good + b"\r\n\n" + cut + b"\n" + good + b"\n")
    inbox.hand_in(make_pair(), name="b.jsonl")
    assert inbox.take().rows == {"direct.jsonl": 1, "pairwise.jsonl": 1}
    (said,) = load_json_rows(inbox.quarantine)
    assert (said["place"], said["line"]) == (str(inbox.folder / "a.jsonl"), 3)
    assert said["reason"] == f"the line is not UTF-8: byte {len(cut) - 1} of it is no text"
    assert '"who": "zo' in said["row"]


@pytest.mark.parametrize("cut", [-1, -40, 'in "ë"'])
def test_a_last_line_that_is_being_written_is_taken_once_it_is_whole(inbox: Inbox, cut: int | str) -> None:
    path, line = inbox.folder / "a.jsonl", json.dumps(make(who="zoë"), ensure_ascii=False).encode()
    path.write_bytes(line[: cut if isinstance(cut, int) else line.index("ë".encode()) + 1])
    taken = inbox.take()
    assert (taken.rows, taken.refused) == ({}, 1)
    assert inbox.list_reasons() == ["the line has no end yet; once it is whole, it is taken"]
    path.write_bytes(line)
    taken = inbox.take()
    assert (taken.rows, taken.refused) == ({"direct.jsonl": 1}, 0)


def test_an_inbox_that_cannot_be_read_is_named(inbox: Inbox) -> None:
    (inbox.folder / "a.jsonl").mkdir()
    with pytest.raises(InputError, match=r"Cannot read .*a\.jsonl"):
        inbox.take()


def test_a_confirmed_grade_may_keep_the_judges_words(inbox: Inbox) -> None:
    inbox.hand_in(make(score=5, feedback=None))
    assert inbox.take().refused == 0
    assert inbox.load()[0]["feedback"] == "Right."


def test_no_instruction_of_a_benchmark_comes_into_training(inbox: Inbox, prepare: PrepareParams) -> None:
    long = "Please explain to me in plain words how a bridge carries the weight of lorries"
    near = make(item={"instruction": f"{long}, now!", "response": "3", "rubric": RUBRIC})
    inbox.hand_in(
        make(), make(item={"instruction": "add 1  AND 1.", "response": "4", "rubric": RUBRIC}), near, make_pair()
    )
    taken = inbox.take(exam=["Add 1 and 1.", f"{long} and trains?"])
    assert taken.rows == {"direct.jsonl": 0, "pairwise.jsonl": 1}
    assert len(inbox.list_reasons()) == 3
    assert all("the benchmark exam" in reason for reason in inbox.list_reasons())
    assert not (inbox.into / "direct.jsonl").exists()
    assert inbox.take().rows == {"direct.jsonl": 3, "pairwise.jsonl": 1}
    assert load_source(inbox, prepare)[1] == 3
    assert inbox.take(exam=["Add 1 and 1.", f"{long} and trains?"]).rows == {"direct.jsonl": 0, "pairwise.jsonl": 1}
    assert load_source(inbox, prepare, may_be_empty=True) == ([], 0)
    with pytest.raises(InputError, match=r"direct\.jsonl is empty.*may_be_empty: true"):
        load_source(inbox, prepare)


def test_a_row_goes_once_a_benchmark_has_taken_its_instruction(inbox: Inbox) -> None:
    inbox.hand_in(make(), make(item={"instruction": "Name a prime.", "response": "3", "rubric": RUBRIC}))
    assert inbox.take().rows == {"direct.jsonl": 2}
    assert inbox.take(exam=["Add 1 and 1."]).rows == {"direct.jsonl": 1}


def test_a_held_out_row_is_named_by_where_it_was_handed_in(inbox: Inbox) -> None:
    prime = make(item={"instruction": "Name a prime.", "response": "3", "rubric": RUBRIC})
    inbox.hand_in(prime, make(), make(score=2, when="2026-11-25T11:00:00Z"))
    for _ in range(2):
        assert inbox.take(exam=["Add 1 and 1."]).rows == {"direct.jsonl": 1}
        (said,) = load_json_rows(inbox.quarantine)
        assert (said["place"], said["line"]) == (str(inbox.folder / "a.jsonl"), 3)


def test_a_held_out_row_that_has_left_the_inbox_is_named_by_its_line_of_the_collection(inbox: Inbox) -> None:
    inbox.hand_in(make(), make(item={"instruction": "Name a prime.", "response": "3", "rubric": RUBRIC}))
    inbox.take()
    line = [row["instruction"] for row in inbox.load()].index("Name a prime.") + 1
    (inbox.folder / "a.jsonl").unlink()
    inbox.take(exam=["Name a prime."])
    (said,) = load_json_rows(inbox.quarantine)
    assert (said["place"], said["line"]) == (str(inbox.into / "direct.jsonl"), line)


def test_scales_that_begin_elsewhere_have_a_file_of_their_own(inbox: Inbox) -> None:
    rubric = {"criteria": "Does it keep the rules?", "levels": ["no", "yes"], "lowest": 0}
    item = {"instruction": "Add 1 and 1.", "response": "3", "rubric": rubric}
    inbox.hand_in(make(), make(item=item, score=0))
    assert inbox.take().rows == {"direct.jsonl": 1, "direct-from-0.jsonl": 1}
