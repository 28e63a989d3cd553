"""``judgeforge grade`` through the real program: standard input, a kill and what is done after it, exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from judgeforge.grading.templates import write_template

ROOT = Path(__file__).parents[2]
RUBRIC = {"criteria": "Is it right?", "levels": ["no", "hardly", "half", "nearly", "yes"]}
JUDGE = "judge"


def write_params(place: Path, **evaluate: object) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["evaluate"] |= {"constrained": True, "max_new_tokens": 24, "dtype": "float32", "batch_size": 4} | evaluate
    (place / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture
def place(tmp_path, miniature, template):
    from judgeforge.base.miniature import build_miniature

    (tmp_path / JUDGE).mkdir()
    build_miniature(tmp_path / JUDGE, "float32", seed=3)
    write_template(template, tmp_path / JUDGE)
    write_params(tmp_path)
    (tmp_path / "rubric.yaml").write_text(yaml.safe_dump(RUBRIC))
    return tmp_path


def build_lines(count: int) -> str:
    rows = [{"item_id": f"i{n}", "instruction": f"Say {n}.", "response": str(n % 9)} for n in range(count)]
    rows[1] = {"item_id": "i1", "instruction": "Say 1.", "response_a": "1", "response_b": "one"}
    return "".join(json.dumps(row) + "\n" for row in rows)


def start(place: Path, *arguments: str, **streams: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "judgeforge.cli", "grade", "--model", JUDGE, "--rubric", "rubric.yaml", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=place, env=environment, stderr=subprocess.PIPE, **streams)


def test_standard_input_is_graded_in_both_formats_and_in_order(place):
    process = start(place, "--input", "-", "--json", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    output, errors = process.communicate(build_lines(6).encode())
    assert process.returncode == 0, errors.decode()
    rows = [json.loads(line) for line in output.splitlines()]
    assert [row["item_id"] for row in rows] == [f"i{n}" for n in range(6)]
    assert [row["format"] for row in rows] == ["direct", "pairwise", *["direct"] * 4]
    assert all(row["score"] in range(1, 6) for row in rows if row["format"] == "direct")
    assert rows[1]["choice"] in ("A", "B")


def test_a_run_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(place):
    write_params(place, constrained=False, max_new_tokens=300)
    (place / "items.jsonl").write_text(build_lines(60))

    def list_journalled() -> list[bytes]:
        files = (place / ".judgeforge" / "journal" / "grade").glob("*/*.jsonl")
        return [line for path in files for line in path.read_bytes().splitlines()]

    process = start(place, "--input", "items.jsonl", "--output", "verdicts.jsonl")
    deadline = time.monotonic() + 120
    while len(list_journalled()) < 8:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = list_journalled()
    assert 8 <= len(before) < 60, "it was to be killed on its way"
    assert not (place / "verdicts.jsonl").exists(), "no half-written file"
    # Another key would be another file, and all would be asked again: the answers that are there have to be taken over.
    first = json.loads(before[0])
    first["completion"] |= {"text": "Kept. [RESULT] 5", "finish": "verdict"}
    (path,) = (place / ".judgeforge" / "journal" / "grade").glob("*/*.jsonl")
    path.write_bytes(b"\n".join([json.dumps(first).encode(), *before[1:]]) + b"\n")
    process = start(place, "--input", "items.jsonl", "--output", "verdicts.jsonl")
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    rows = [json.loads(line) for line in (place / "verdicts.jsonl").read_text().splitlines()]
    assert [row["item_id"] for row in rows] == [f"i{n}" for n in range(60)]
    assert "Kept." in [row["feedback"] for row in rows]
    assert list_journalled() == [], "once the file is whole, the journal is gone"
    assert b"have no verdict that could be parsed" in errors


def test_exit_codes_say_whether_to_try_again(place):
    def grade(content: bytes, *arguments: str) -> tuple[int, bytes]:
        process = start(place, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        _, errors = process.communicate(content)
        return process.returncode, errors

    code, errors = grade(b'{"instruction": "x"}\n', "--input", "-")
    assert code == 2 and b"row 1: response is missing" in errors
    code, errors = grade(b"", "--input", "-")
    assert code == 2 and b"holds no rows" in errors
    code, errors = grade(b"", "--instruction", "x", "--output", "y")
    assert code == 2 and b"--output without --input" in errors


@pytest.mark.parametrize(("sent", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_end_from_outside_has_its_own_exit_code(place, sent, expected):
    process = start(place, "--input", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(b" " * 1_000_000)  # more than a pipe holds: it is being read
    process.stdin.flush()
    process.send_signal(sent)
    process.communicate()
    assert process.returncode == expected


def test_a_reader_that_goes_away_is_no_traceback(place):
    process = start(place, "--input", "-", "--json", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(build_lines(6).encode())
    assert process.returncode == 1 and b"Traceback" not in errors and b"Exception ignored" not in errors
