"""A teacher whose endpoints are real HTTP servers on loopback that misbehave on purpose."""

import contextlib
import signal
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from judgeforge.params.teacher import TeacherParams
from judgeforge.prepare.feedback import TaskName, Teacher
from judgeforge.prepare.rows import GRADED
from judgeforge.prepare.teacher import build_teacher
from tests.integration.endpoint.conftest import Answer, Server, fail, say

TEMPLATES = {name: f"teacher-{name}-1" for name in ("pairwise", "direct", "rubric", "reference")}
PARAMS = {
    "kind": "endpoint",
    "endpoints": [],
    "templates": TEMPLATES,
    "attempts": 3,
    "seed": 1,
    "temperature": 0.7,
    "top_p": 1.0,
    "max_new_tokens": 100,
    "budget_tokens": None,
    "max_dropped_share": 1.0,
    "write_direct_feedback": True,
    "write_rubrics": True,
    "write_references": True,
    "rubric_levels": 3,
}


@pytest.fixture
def servers() -> Iterator[Callable[[], Server]]:
    started: list[Server] = []

    def start() -> Server:
        started.append(Server())
        return started[-1]

    yield start
    for server in started:
        server.close()


class Quota:
    """Lets servers answer so many questions; what comes after these hangs until its asker is dead.

    Args:
        name: what a request is about.
        write: its answer.
    """

    def __init__(self, name: Callable[[dict[str, Any]], Any], write: Callable[[dict[str, Any]], str]) -> None:
        self._name, self._write = name, write
        self.limit = 0
        self.answered: Counter[Any] = Counter()
        self._hanging, self._lock, self._dead = 0, threading.Lock(), threading.Event()

    def script(self, n: int, body: dict[str, Any]) -> Answer | str:
        """Answer a request, or let it hang."""
        with self._lock:
            if self.answered.total() < self.limit:
                self.answered[self._name(body)] += 1
                return say(self._write(body))
            self._hanging += 1
        self._dead.wait(60)
        return fail(500)

    def kill_midway(self, process: subprocess.Popen[Any], cache: Path, *servers: Server) -> None:
        """Kill a process once all that may be answered is in its cache, and all else that it may send hangs."""
        while count_rows(cache, "answers") < self.limit or self._hanging < 4 * len(servers):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self._dead.set()
        while any(server.at_once for server in servers):
            time.sleep(0.01)
        self._hanging = 0
        self._dead.clear()


def count_rows(cache: Path, table: str) -> int:
    """Count the rows of a table of the cache, which may not be there yet."""
    if not cache.is_file():
        return 0
    with contextlib.closing(sqlite3.connect(cache)) as base:
        try:
            return int(base.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
        except sqlite3.OperationalError:
            return 0


def write_settings(folder: Path, *servers: Server, **overrides: Any) -> list[str]:
    """Write a file of settings for each server; they hardly wait."""
    names = []
    for number, server in enumerate(servers):
        settings = {"base_url": server.url, "model": "some-teacher", "api_key_env": None, "first_wait_s": 0.01}
        settings |= {"max_wait_s": 2.0, "timeout_s": 2.5, "concurrency": 4} | overrides
        path = folder / f"endpoint-{number}.yaml"
        path.write_text(yaml.safe_dump(settings))
        names.append(str(path))
    return names


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Teacher]:
    """Build a teacher on servers; other keywords are its parameters, ``settings`` those of the endpoints."""

    def make(*servers: Server, settings: dict[str, Any] | None = None, **overrides: Any) -> Teacher:
        names = write_settings(tmp_path, *servers, **(settings or {}))
        params = TeacherParams.model_validate(PARAMS | {"endpoints": names} | overrides)
        return build_teacher(params, cache=tmp_path / "answers.sqlite", batches=tmp_path / "batches")

    return make


def teach(teacher: Teacher, name: TaskName, *frames: pl.DataFrame) -> tuple[list[Any], dict[str, Any]]:
    """Have frames of rows written as the stage does, and return what was written with the counts of the task."""
    teacher.ask({name: lambda: iter(frames)})
    rows = pl.concat(frames)
    write: dict[str, Callable[[pl.DataFrame], Any]] = {
        "pairwise": lambda rows: teacher.write_pairwise(rows).to_list(),
        "direct": lambda rows: teacher.write_direct(rows).to_list(),
        "reference": lambda rows: teacher.write_references(rows).to_list(),
        "rubric": lambda rows: teacher.write_rubrics(rows).rows(),
    }
    return write[name](rows), teacher.describe()["tasks"][name]


def make_pairs(count: int) -> pl.DataFrame:
    """Make pairs whose better response is A where the number is even."""
    rows = [
        {
            "instruction": f"Say <{n}>.",
            "reference": f"{n}!" if n % 3 else None,
            "criteria": "Is it said?",
            "levels": ["no", "hardly", "partly", "mostly", "yes"],
            "lowest": 1,
            "response_a": f"a{n}",
            "response_b": f"b{n}",
            "choice": "AB"[n % 2],
        }
        for n in range(count)
    ]
    kinds = {"response_a": pl.String(), "response_b": pl.String(), "choice": pl.String()}
    names = ("instruction", "reference", "criteria", "levels", "lowest")
    return pl.DataFrame(rows, schema={name: GRADED[name] for name in names} | kinds)


def find_number(body: dict[str, Any]) -> int:
    """Find the number of the row that a request is about."""
    return int(body["messages"][-1]["content"].split("Say <")[1].split(">")[0])


def tell(body: dict[str, Any], *, right: bool = True) -> str:
    """Write feedback with the right verdict on a pair, or the wrong one."""
    number = find_number(body)
    return f"Both speak, but {number} differs. [RESULT] {'AB'[(number + (not right)) % 2]}"
