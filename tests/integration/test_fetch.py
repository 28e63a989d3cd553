"""Fetching from a real server that fails in all the ways servers do, and the command line on the real files."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from judgeforge.benchmarks.fetch import fetch_files
from judgeforge.benchmarks.manifest import PinnedFile
from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError

CONTENT = bytes(range(256)) * 900
PUBLISHED = Path(__file__).parents[3] / "shared" / "benchmarks"
Answer = Callable[[BaseHTTPRequestHandler], None]


def pin(url: str, content: bytes = CONTENT) -> dict[str, PinnedFile]:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return {"rows.json": PinnedFile(name="rows.json", url=f"{url}/rows.json", bytes=len(content), git_blob=blob)}


@contextmanager
def serve(*answers: Answer) -> Iterator[tuple[str, list[str | None]]]:
    """Answer request k by ``answers[k]``, the last one over and over; give the address and the ranges asked for."""
    ranges: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ranges.append(self.headers.get("Range"))
            answers[min(len(ranges), len(answers)) - 1](self)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", ranges
    finally:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, content: bytes, announced: int | None = None) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content) if announced is None else announced))
    handler.end_headers()
    handler.wfile.write(content)


def whole(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 200, CONTENT)


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 200, CONTENT[:100_000], announced=len(CONTENT))


def the_rest(handler: BaseHTTPRequestHandler) -> None:
    start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    send(handler, 206, CONTENT[start:])


def fail(status: int) -> Answer:
    return lambda handler: send(handler, status, b"no")


def fetch(url: str, into: Path, **options) -> dict[str, str]:
    found = fetch_files(pin(url), into, first_wait_s=0.01, **options)
    for outcome in found.values():
        if isinstance(outcome, JudgeforgeError):
            raise outcome
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once(tmp_path: Path) -> None:
    with serve(whole) as (url, ranges):
        assert fetch(url, tmp_path) == {"rows.json": "fetched"}
        assert fetch(url, tmp_path) == {"rows.json": "there already"}
        assert ranges == [None]
    assert (tmp_path / "rows.json").read_bytes() == CONTENT
    assert names(tmp_path) == ["rows.json"]


def test_what_was_cut_off_is_gone_on_with(tmp_path: Path) -> None:
    with serve(cut_off, fail(503), the_rest) as (url, ranges):
        fetch(url, tmp_path)
    assert (tmp_path / "rows.json").read_bytes() == CONTENT
    assert ranges[0] is None
    assert 0 < int(ranges[2].removeprefix("bytes=").removesuffix("-")) <= 100_000


def test_a_later_call_goes_on_with_an_earlier_ones_part(tmp_path: Path) -> None:
    (tmp_path / "rows.json.part").write_bytes(CONTENT[:5000])
    with serve(the_rest) as (url, ranges):
        fetch(url, tmp_path)
    assert ranges == ["bytes=5000-"]
    assert (tmp_path / "rows.json").read_bytes() == CONTENT


def test_a_server_that_cannot_go_on_starts_again(tmp_path: Path) -> None:
    (tmp_path / "rows.json.part").write_bytes(b"x" * 5000)
    with serve(whole) as (url, _):
        fetch(url, tmp_path)
    assert (tmp_path / "rows.json").read_bytes() == CONTENT


def test_a_whole_part_needs_no_more(tmp_path: Path) -> None:
    (tmp_path / "rows.json.part").write_bytes(CONTENT)
    with serve(fail(416)) as (url, _):
        fetch(url, tmp_path)
    assert names(tmp_path) == ["rows.json"]


def test_other_content_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with serve(lambda handler: send(handler, 200, b"<html>")) as (url, ranges):
        with pytest.raises(InputError, match=rf"{url}/rows\.json is not the pinned file"):
            fetch(url, tmp_path)
        assert len(ranges) == 1, "the same content would come again"
    assert names(tmp_path) == []


def test_a_wrong_file_in_the_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("mine")
    with serve(whole) as (url, ranges):
        with pytest.raises(InputError, match="move it away"):
            fetch(url, tmp_path)
        assert ranges == []
    assert (tmp_path / "rows.json").read_text() == "mine"


def test_a_server_that_stays_down_is_an_environment_fault_after_all_tries(tmp_path: Path) -> None:
    with serve(fail(500)) as (url, ranges):
        with pytest.raises(EnvironmentFault, match="3 tries"):
            fetch(url, tmp_path, attempts=3)
        assert len(ranges) == 3
    with pytest.raises(EnvironmentFault, match="2 tries"):
        fetch(url, tmp_path, attempts=2)  # nobody listens there now


def test_a_file_that_is_not_there_is_not_asked_for_again(tmp_path: Path) -> None:
    with serve(fail(404)) as (url, ranges):
        with pytest.raises(InputError, match=r"answered 404.*--mirror"):
            fetch(url, tmp_path)
        assert len(ranges) == 1


def test_another_address_takes_the_place_of_the_files_own(tmp_path: Path) -> None:
    with serve(whole) as (url, _):
        assert fetch_files(pin("http://127.0.0.1:9"), tmp_path, url=url)["rows.json"] == "fetched"


def test_a_mirror_is_copied_and_checked(tmp_path: Path) -> None:
    mirror, into = tmp_path / "mirror", tmp_path / "into"
    mirror.mkdir()
    with pytest.raises(InputError, match=r"has no rows\.json"):
        fetch("http://127.0.0.1:9", into, mirror=mirror)
    (mirror / "rows.json").write_bytes(CONTENT[1:])
    with pytest.raises(InputError, match=rf"{mirror}/rows\.json is not the pinned file"):
        fetch("http://127.0.0.1:9", into, mirror=mirror)
    assert names(into) == []
    (mirror / "rows.json").write_bytes(CONTENT)
    assert fetch("http://127.0.0.1:9", into, mirror=mirror) == {"rows.json": "fetched"}


def test_a_file_that_cannot_be_had_keeps_no_other_from_coming(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "rows.json").write_bytes(CONTENT)
    pinned = pin("unused")["rows.json"]
    files = {"absent.json": pinned.model_copy(update={"name": "absent.json"}), "rows.json": pinned}
    found = fetch_files(files, tmp_path / "into", mirror=mirror)
    assert found["rows.json"] == "fetched"
    assert "has no absent.json" in str(found["absent.json"])


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is no folder"):
        fetch_files({}, tmp_path / "file")


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "judgeforge.cli", "fetch", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.real_data
@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published benchmark files are not at {PUBLISHED}")
def test_the_command_copies_the_real_files_and_says_what_it_did(tmp_path: Path) -> None:
    wanted = ("vicuna_bench", "mt_bench", "hhh_alignment", "autoj_eval")
    done = run_cli("benchmarks", *wanted, "--into", str(tmp_path / "files"), "--mirror", str(PUBLISHED))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("fetched") == 4
    assert "2,292,270" in done.stdout
    again = run_cli("benchmarks", *wanted, "--into", str(tmp_path / "files"), "--mirror", str(PUBLISHED))
    assert again.stdout.count("there already") == 4


@pytest.mark.real_data
@pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published benchmark files are not at {PUBLISHED}")
def test_the_command_copies_what_there_is_and_names_what_there_is_not(tmp_path: Path) -> None:
    done = run_cli("benchmarks", "--into", str(tmp_path / "files"), "--mirror", str(PUBLISHED))
    assert done.returncode == 2
    assert (done.stdout.count("fetched"), done.stdout.count("not there")) == (4, 4)
    assert "has no flask_eval.json" in done.stderr and "Nor could these be had" in done.stderr


def test_the_command_names_an_unknown_benchmark(tmp_path: Path) -> None:
    done = run_cli("benchmarks", "mtbench", "--into", str(tmp_path))
    assert done.returncode == 2
    assert "no published benchmark 'mtbench'" in done.stderr
