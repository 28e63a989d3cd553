"""Outputs are whole or absent; broken inputs are named by place."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeforge import files
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.files import hash_file


def list_folder(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "table.json"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="in the middle"), files.write_atomically(target) as handle:
        handle.write(b"half of the new")
        raise RuntimeError("in the middle")
    assert target.read_text() == "old"
    assert list_folder(tmp_path) == ["table.json"]


def test_a_failed_folder_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "weights").write_text("old")
    with pytest.raises(RuntimeError), files.write_folder_atomically(target) as folder:
        (folder / "weights").write_text("new")
        raise RuntimeError
    assert (target / "weights").read_text() == "old"
    assert list_folder(tmp_path) == ["model"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model"
    for content in ("one", "two"):
        with files.write_folder_atomically(target) as folder:
            (folder / content).write_text(content)
    assert list_folder(target) == ["two"]
    assert list_folder(target.parent) == ["model"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_fault_of_the_environment_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    target = tmp_path / "table.json"
    files.write_text(target, "old")

    def fail(_descriptor: int) -> None:
        raise OSError(number, "full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(EnvironmentFault, match=r"No room left .*table\.json"):
        files.write_text(target, "new")
    assert target.read_text() == "old"
    assert list_folder(tmp_path) == ["table.json"]


def test_another_fault_of_the_disk_is_not_called_a_full_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        files.write_text(tmp_path / "file" / "below", "text")


def test_json_is_written_in_one_form(tmp_path: Path) -> None:
    files.write_json(tmp_path / "one.json", {"b": "é", "a": [1]})
    assert (tmp_path / "one.json").read_bytes() == '{\n  "a": [\n    1\n  ],\n  "b": "é"\n}\n'.encode()


@given(st.lists(st.dictionaries(st.text(), st.none() | st.integers() | st.text())))
def test_json_lines_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    files.write_json_lines(path, rows)
    assert files.load_json_rows(path) == rows


def test_a_json_array_is_read_whatever_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps([{"a": 1}, {"a": 2}], indent=1))
    assert files.load_json_rows(path) == [{"a": 1}, {"a": 2}]


def test_line_separators_within_a_string_do_not_split_a_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "one\u2028two\x85three"}\r\n\n{"a": "four"}', "utf-8", newline="")
    assert [row["a"] for row in files.load_json_rows(path)] == ["one\u2028two\x85three", "four"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": \n', r"Line 2 of .*rows\.jsonl is not valid JSON"),
        (b'{"a": 1}\n3\n', r"Row 2 of .*rows\.jsonl is not a JSON object"),
        (b'[{"a": 1},\n{]', r"rows\.jsonl is not valid JSON at line 2, column 2"),
        (b'{"a": "\xff"}', r"rows\.jsonl is not UTF-8: byte 7, line 1,"),
        (b'{"a": 1}\n{"a": "\xff"}', r"rows\.jsonl is not UTF-8: byte 16, line 2,"),
        (b'{"a": 1}\n{"a": ' + b"[" * 100_000, r"Line 2 of .*rows\.jsonl is not valid JSON: maximum recursion"),
        (b'{"a": ' + b"9" * 5000 + b"}", r"Line 1 of .*rows\.jsonl is not valid JSON: Exceeds the limit"),
        (b"[" * 100_000, r"rows\.jsonl is not valid JSON: maximum recursion"),
    ],
)
def test_a_broken_file_is_named_with_the_place(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        files.load_json_rows(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot read .*absent: No such file"):
        files.read_text(tmp_path / "absent")
    with pytest.raises(InputError, match="Is a directory"):
        files.read_text(tmp_path)


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbftext")
    assert files.read_text(tmp_path / "file") == "text"


def test_a_files_hash_is_that_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    # The test vector of FIPS 180-2.
    assert hash_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_what_a_killed_run_left_behind_is_removed_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    body = (
        "import sys, time; from pathlib import Path; from judgeforge.files import scratch_folder\n"
        "with scratch_folder(Path(sys.argv[1]), 'rows') as folder:\n"
        "    (folder / 'much').write_text('x'); print(folder, flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-c", body, str(tmp_path)]
    killed, alive = (subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2))
    try:
        assert killed.stdout and alive.stdout
        left, used = (Path(process.stdout.readline().strip()) for process in (killed, alive))
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.is_dir()
        with files.scratch_folder(tmp_path, "rows") as own:
            assert sorted(tmp_path.iterdir()) == sorted([own, used])
            assert (used / "much").is_file()
        assert list(tmp_path.iterdir()) == [used]
    finally:
        alive.kill()
        alive.wait()


def test_leftovers_of_a_name_that_begins_alike_stay(tmp_path: Path) -> None:
    kept = [".judge-v1.1.abcdefgh", ".judge-v1.1.old.abcdefgh", ".judge-v1.old.abcdefgh", ".judge-v1.json.abcdefgh"]
    for name in (*kept, ".judge-v1.abcdefgh"):
        (tmp_path / name).mkdir()
    with files.write_folder_atomically(tmp_path / "judge-v1") as folder:
        (folder / "weights").write_text("new")
    assert list_folder(tmp_path) == sorted([*kept, "judge-v1"])


def test_a_leftover_that_another_process_removes_first_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".folded.abcdefgh").mkdir()
    opened = os.open

    def lose(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).endswith("abcdefgh"):
            (tmp_path / ".folded.abcdefgh").rmdir()
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", lose)
    with files.scratch_folder(tmp_path, "folded") as folder:
        assert list_folder(tmp_path) == [folder.name]
    assert list_folder(tmp_path) == []
