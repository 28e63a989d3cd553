"""Batch files: written, answered elsewhere with all that can go wrong there, taken in, until every row is done."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import judgeforge
from judgeforge.errors import InputError
from judgeforge.prepare.teacher import batches
from tests.integration.endpoint.conftest import Server

from .conftest import find_number, make_pairs, teach, tell


@pytest.fixture
def batch(build, servers):
    """Build a teacher by batch files; its endpoint must never be asked."""
    endpoint: Server = servers()

    def make(**overrides):
        return build(endpoint, kind="batch", **overrides)

    yield make
    assert not endpoint.bodies


def load(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def answer(asked: dict, text: str, *, status: int = 200) -> dict:
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    body |= {"usage": {"prompt_tokens": 50, "completion_tokens": 7}}
    if status != 200:
        body = {"error": {"code": None, "message": text}}
    return {"custom_id": asked["custom_id"], "response": {"status_code": status, "body": body}, "error": None}


def write(path: Path, documents: list, *broken: str) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in documents) + "".join(f"{each}\n" for each in broken))
    return path


def take_in(place: Path, folder: Path, *results: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "judgeforge.cli", "teacher", "--folder", str(folder), "--cache", "answers.sqlite"]
    command += [part for path in results for part in ("--results", str(path))]
    environment = os.environ | {"PYTHONPATH": str(Path(judgeforge.__file__).parents[1]), "COLUMNS": "1000"}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def test_files_go_out_and_come_back_until_every_row_is_done(batch, tmp_path):
    pairs = make_pairs(12)
    with pytest.raises(InputError, match=r"12 of 12 rows wait for answers.*requests-001\.jsonl.*judgeforge teacher"):
        teach(batch(), "pairwise", pairs)
    (folder,) = (tmp_path / "batches").iterdir()
    first = load(folder / "requests-001.jsonl")
    places = [each["custom_id"].rsplit("/", 2) for each in first]
    assert [(attempt, file) for _, attempt, file in places] == [("1", "001")] * 12
    assert len({question for question, _, _ in places}) == 12
    assert {(each["method"], each["url"]) for each in first} == {("POST", "/v1/chat/completions")}
    assert first[3]["body"]["model"] == "some-teacher" and find_number(first[3]["body"]) == 3
    with pytest.raises(InputError, match=r"requests-001\.jsonl"):
        teach(batch(), "pairwise", pairs)
    assert len(list(folder.glob("requests-*"))) == 1, "what is on its way is not asked again"

    good = [answer(each, tell(each["body"])) for each in first[:6]]
    wrong = [answer(first[6], tell(first[6]["body"], right=False)), answer(first[7], "No idea.")]
    lost = [answer(first[8], "later", status=503), answer(first[9], "maximum context length is 9", status=400)]
    garbled = answer(first[10], "") | {"response": {"status_code": 200, "body": {"choices": []}}}
    foreign = answer({"custom_id": "pair-99/1/001"}, "[RESULT] A")
    output = write(tmp_path / "output.jsonl", [*good, *wrong, garbled, foreign, good[0]], '{"custom_id": "pair', "[]")
    done = take_in(tmp_path, folder, output, write(tmp_path / "errors.jsonl", lost))
    assert done.returncode == 0, done.stderr
    counts = json.loads(next(line for line in done.stderr.splitlines() if line.startswith("{")))
    assert counts["taken_in"] == {
        "answered": 8,
        "errors": 1,
        "garbled": 1,
        "missing": 1,
        "refused": 1,
        "known": 0,
        "unknown": 1,
        "unreadable": 2,
    }
    assert counts["answers"] == {"agreed": 6, "disagreed": 1, "prompt_too_long": 1, "unparsable": 1}
    assert (counts["rows"], counts["written"], counts["dropped"]) == (12, 6, 1)
    second = load(folder / "requests-002.jsonl")
    wanted = [(6, "2/002"), (7, "2/002"), (8, "1/002"), (10, "1/002"), (11, "1/002")]
    assert [(find_number(each["body"]), each["custom_id"].split("/", 1)[1]) for each in second] == wanted
    again = take_in(tmp_path, folder, output)
    assert again.returncode == 0 and '"unknown": 10' in again.stderr, "its file is closed"

    last = write(tmp_path / "last.jsonl", [answer(each, tell(each["body"])) for each in second])
    assert "All rows are done" in take_in(tmp_path, folder, last).stderr
    texts, counts = teach(batch(), "pairwise", pairs)
    assert [n for n, text in enumerate(texts) if text is None] == [9]
    assert counts["dropped_for"] == {"prompt_too_long": 1}


def test_the_budget_counts_what_is_on_its_way(batch, tmp_path):
    pairs = make_pairs(20)
    with pytest.raises(InputError, match="the budget has no room for"):
        teach(batch(budget_tokens=2_000), "pairwise", pairs)
    (folder,) = (tmp_path / "batches").iterdir()
    first = load(folder / "requests-001.jsonl")
    prompts = [-(-len("\n".join(each["content"] for each in one["body"]["messages"])) // 4) for one in first]
    assert sum(prompts) + 100 * len(first) <= 2_000 < sum(prompts) + 100 * len(first) + max(prompts) + 100
    with pytest.raises(InputError):
        teach(batch(budget_tokens=2_000), "pairwise", pairs)
    assert not (folder / "requests-002.jsonl").exists()


def test_files_are_no_longer_than_the_service_takes_and_another_template_is_another_job(batch, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "_MAX_REQUESTS", 5)
    with pytest.raises(InputError, match="12 of 12"):
        teach(batch(), "pairwise", make_pairs(12))
    (folder,) = (tmp_path / "batches").iterdir()
    assert [len(load(path)) for path in sorted(folder.glob("requests-*"))] == [5, 5, 2]
    with pytest.raises(InputError, match="12 of 12"):
        teach(batch(temperature=0.9), "pairwise", make_pairs(12))
    assert len(list((tmp_path / "batches").iterdir())) == 2


def test_a_stream_cannot_be_a_batch(batch):
    with pytest.raises(InputError, match="stop_early"):
        batch(settings={"stop_early": True})


def test_a_folder_that_is_none_is_told(tmp_path):
    done = take_in(tmp_path, tmp_path / "none")
    assert done.returncode == 2 and "job.json" in done.stderr and "Traceback" not in done.stderr
