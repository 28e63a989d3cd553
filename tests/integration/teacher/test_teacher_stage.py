"""The stage as a program, its teacher a server that misbehaves: each question is answered once, whoever is killed."""

import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import judgeforge
from judgeforge.training_sets import load_training_examples
from tests.integration.endpoint.conftest import Server, fail, say

from .conftest import PARAMS, Quota, count_rows, write_settings

ROOT = Path(__file__).parents[3]
INSTRUCTIONS, SCORES = 12, (1, 3, 5)
NAMES = ("train", "form", "benchmarks", "statistics", "quarantine", "page", "card")
CACHE = Path(".judgeforge/answers.sqlite")
LEVELS = ["bad", "poor", "fair", "good", "best"]


def write_place(place: Path, *servers: Server, settings: dict[str, Any] | None = None, **teacher: Any) -> None:
    """Write rows, endpoints and parameters."""
    rows = [
        {"orig_instruction": f"Say <{n}>.", "orig_response": f"R{score} of {n}", "orig_score": score}
        for n in range(INSTRUCTIONS)
        for score in SCORES
    ]
    if not teacher.get("write_rubrics"):
        rubric = {"orig_criteria": "Said?"} | {f"orig_score{n}_description": LEVELS[n - 1] for n in range(1, 6)}
        rows = [row | rubric for row in rows]
    place.mkdir(exist_ok=True)
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    document = yaml.safe_load((ROOT / "params.yaml").read_text())["prepare"]
    source = {"name": "grades", "kind": "file", "path": "rows.jsonl", "columns": "feedback_collection", "weight": 1.0}
    document |= {"sources": [source], "max_pairs_per_instruction": None, "validation_fraction": 0.25}
    # A row that is dropped leaves the positions of so few pairs uneven.
    document["quality"]["balance"]["max_position_lean"] = 0.5
    document["embedded"] = dict.fromkeys(document["embedded"], 1)
    names = write_settings(place, *servers, **({"timeout_s": 20.0} | (settings or {})))
    written = {"write_direct_feedback": True, "write_rubrics": False, "write_references": False, "rubric_levels": 5}
    document["teacher"] = PARAMS | {"endpoints": names, "max_dropped_share": 0.0} | written | teacher
    (place / "params.yaml").write_text(yaml.safe_dump({"prepare": document}))


def start(place: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "judgeforge.prepare"]
    command += [part for name in NAMES for part in (f"--{name}", f"out/{name}")]
    environment = os.environ | {"PYTHONPATH": str(Path(judgeforge.__file__).parents[1]), "COLUMNS": "1000"}
    return subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.PIPE, text=True)


def run(place: Path, code: int = 0) -> str:
    process = start(place)
    _, words = process.communicate()
    assert process.returncode == code and "Traceback" not in words, words
    return words


def read_all(place: Path) -> dict[Path, bytes]:
    return {path.relative_to(place): path.read_bytes() for path in (place / "out").rglob("*") if path.is_file()}


def ask_for(body: dict[str, Any]) -> str:
    """Return what a request is about: the responses in it, or the instruction."""
    text = body["messages"][-1]["content"]
    return " ".join(re.findall(r"R\d of \d+", text)) or re.findall(r"Say <\d+>", text)[0]


def answer(body: dict[str, Any], *, right: bool = True) -> str:
    """Write what is asked for: feedback with the right verdict or a wrong one, a rubric or a reference."""
    text = body["messages"][-1]["content"]
    scores = [int(score) for score in re.findall(r"R(\d) of", text)]
    if len(scores) == 2:
        return f"{ask_for(body)} differ. [RESULT] {'A' if (scores[0] > scores[1]) == right else 'B'}"
    if scores:
        return f"{ask_for(body)} is so. [RESULT] {scores[0] if right else 2}"
    if "Write a rubric" in text:
        return json.dumps({"criteria": f"Is {ask_for(body)} done?", "levels": LEVELS})
    return json.dumps({"reference": f"The best of {ask_for(body)}."})


DIRECT, PAIRS = INSTRUCTIONS * len(SCORES), INSTRUCTIONS * 3


def answer_badly(answered: Counter[str]) -> Callable[[int, dict[str, Any]], Any]:
    """Misbehave at the first request of some questions, and count the answers with the right verdict."""
    faults = [fail(429, Retry_After="0.05"), fail(500), "cut", (200, {}, b'{"choices": [{"message"'), "hang", "wrong"]
    chosen: dict[str, Any] = {}
    lock = threading.Lock()

    def script(n: int, body: dict[str, Any]) -> Any:
        question = ask_for(body)
        with lock:
            if question not in chosen:
                chosen[question] = faults[len(chosen) // 4] if len(chosen) % 4 == 0 and len(chosen) < 24 else None
                if chosen[question] == "wrong":
                    return say(answer(body, right=False))
                if chosen[question] is not None:
                    return chosen[question]
            answered[question] += 1
        return say(answer(body))

    return script


def test_each_question_is_answered_once_and_the_outputs_are_the_same_bytes(servers, tmp_path):
    one, other = servers(), servers()
    answered: Counter[str] = Counter()
    one.script = other.script = answer_badly(answered)
    write_place(tmp_path / "first", one, other, settings={"timeout_s": 3.0})
    words = run(tmp_path / "first")
    assert f"{DIRECT + PAIRS} questions, 0 of them answered already" in words
    assert len(answered) == DIRECT + PAIRS and set(answered.values()) == {1}
    examples = [
        row.messages[2]["content"]
        for name in ("direct", "validation_direct", "pairwise", "validation_pairwise")
        for row in load_training_examples(tmp_path / "first/out/train", name)
    ]
    assert Counter(text.split(" is so.")[0].split(" differ.")[0] for text in examples) == answered
    first = read_all(tmp_path / "first")
    run(tmp_path / "first")
    assert read_all(tmp_path / "first") == first and sum(answered.values()) == DIRECT + PAIRS
    # Another process with a cache of its own, and a server that does not misbehave: only the counts of answers differ.
    plain = servers()
    plain.script = lambda n, body: say(answer(body))
    write_place(tmp_path / "second", plain)
    run(tmp_path / "second")
    second = read_all(tmp_path / "second")
    told = {Path("out/statistics")}
    assert {path: second[path] for path in second if path not in told} == {
        path: first[path] for path in first if path not in told
    }


def test_kill_nine_in_the_middle_costs_no_answer_twice(servers, tmp_path):
    server, quota = servers(), Quota(ask_for, answer)
    server.script = quota.script
    write_place(tmp_path, server, settings={"timeout_s": 60.0})
    for quota.limit in (15, 30):
        quota.kill_midway(start(tmp_path), tmp_path / CACHE, server)
        assert not (tmp_path / "out/train").exists() and count_rows(tmp_path / CACHE, "answers") == quota.limit
    quota.limit = 10_000
    words = run(tmp_path)
    assert f"{DIRECT + PAIRS} questions, 30 of them answered already" in words
    assert len(quota.answered) == DIRECT + PAIRS and set(quota.answered.values()) == {1}
    assert count_rows(tmp_path / CACHE, "reservations") == 0


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_budget_stops_the_stage_where_it_should(servers, tmp_path, concurrency):
    one, other = servers(), servers()
    one.script = other.script = lambda n, body: say(answer(body), usage=(700, 50))
    write_place(tmp_path, one, other, settings={"concurrency": concurrency}, budget_tokens=20_000)
    words = run(tmp_path, code=2)
    assert "The budget of 20,000 tokens is used up: 19,500 are spent" in words
    assert "raise prepare.teacher.budget_tokens" in words and not (tmp_path / "out/train").exists()
    assert len(one.bodies) + len(other.bodies) == count_rows(tmp_path / CACHE, "answers") == 26, (
        "26 * 750; the next might take 800"
    )
    assert "19,500 are spent" in run(tmp_path, code=2)
    assert len(one.bodies) + len(other.bodies) == 26
    write_place(tmp_path, one, other, budget_tokens=750 * (DIRECT + PAIRS) + 70)
    run(tmp_path)
    assert (
        len(one.bodies) + len(other.bodies)
        == DIRECT + PAIRS
        == len({ask_for(each) for each in one.bodies + other.bodies})
    )


def test_rubrics_and_references_come_first_and_are_asked_for_once(servers, tmp_path):
    server, answered = servers(), Counter()

    def script(n: int, body: dict[str, Any]) -> Any:
        text = answer(body)
        if text.startswith("{") and n == 0 and "<3>" in text:
            return say(text[:20])
        if "rubric" in body["messages"][-1]["content"] and "<5>" in text and "criteria" in text:
            return say("No.")
        answered[ask_for(body) + text[:8]] += 1
        return say(text)

    server.script = script
    write_place(tmp_path, server, write_rubrics=True, write_references=True, max_dropped_share=0.1)
    run(tmp_path)
    assert set(answered.values()) == {1}
    assert len(answered) == 11 * (1 + 1 + 3 + 3), "one instruction has no rubric"
    values = json.loads((tmp_path / "out/statistics").read_text())
    assert values["untaught_for"] == {"rubric": 6}
    assert values["teacher"]["tasks"]["rubric"]["dropped_for"] == {"unparsable": 1}
    rows = load_training_examples(tmp_path / "out/train", "direct")
    shown = {row.messages[1]["content"] for row in rows if "R5 of 3" in row.messages[1]["content"]}
    assert all("Is Say <3> done?" in text and "The best of Say <3>." in text for text in shown)
    before = len(server.bodies)
    first = read_all(tmp_path)
    run(tmp_path)
    assert len(server.bodies) == before and read_all(tmp_path) == first


def test_batch_files_of_all_tasks_are_written_at_once(servers, tmp_path):
    write_place(tmp_path, servers(), kind="batch")
    words = run(tmp_path, code=2)
    assert f"{DIRECT + PAIRS} of {DIRECT + PAIRS} rows wait for answers (pairwise, direct)" in words
    for path in tmp_path.glob(".judgeforge/batches/*/requests-001.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        results = [
            {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": json.loads(document)}}
            for line in lines
            for _, _, document in [say(answer(line["body"]))]
        ]
        (tmp_path / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in results))
        command = [sys.executable, "-m", "judgeforge.cli", "teacher", "--folder", str(path.parent)]
        subprocess.run([*command, "--results", "results.jsonl"], cwd=tmp_path, check=True, capture_output=True)
    run(tmp_path)
    assert len(load_training_examples(tmp_path / "out/train", "pairwise")) == PAIRS * 3 // 4
