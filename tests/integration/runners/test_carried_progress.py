"""A stage's progress on its way from machine to machine: real DVC and a real server, and two folders as machines."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.remote.progress import Syncing, fetch_progress, finish_progress, pull_progress, push_progress
from tests.prefect_server import PrefectServer

pytestmark = pytest.mark.slow
LOG = logging.getLogger("test")
JOURNAL = Path(".judgeforge/journal/merged/key.jsonl")
CHECKPOINTS = Path(".judgeforge/checkpoints/direct/key")


@pytest.fixture
def on(tmp_path: Path) -> Callable[[str], "contextlib.AbstractContextManager[None]"]:
    @contextlib.contextmanager
    def enter(name: str) -> Iterator[None]:
        settings = tmp_path / name / ".dvc"
        settings.mkdir(parents=True, exist_ok=True)
        (settings / "config").write_text(
            f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {tmp_path / 'remote'}\n"
        )
        with contextlib.chdir(tmp_path / name):
            yield

    return enter


@pytest.fixture
def prefect(server: PrefectServer) -> Iterator[None]:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: server.address}):
        yield


def write_journal(lines: int) -> None:
    JOURNAL.parent.mkdir(parents=True, exist_ok=True)
    JOURNAL.write_text("".join(f"answer {line}\n" for line in range(lines)))


def count_answers() -> int:
    return len(JOURNAL.read_text().splitlines())


def write_checkpoint(step: int, text: str, sealed: bool = True) -> None:
    folder = CHECKPOINTS / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "weights.txt").write_text(text)
    if sealed:
        (folder / "COMPLETE").write_text("{}")


@pytest.mark.parametrize(("here", "expected"), [(0, 300), (100, 300), (400, 400)])
def test_of_two_journals_the_longer_one_is_gone_on_with(on: Callable[..., object], here: int, expected: int) -> None:
    with on("b"):
        write_journal(300)
        pointer = push_progress()
    with on("a"):
        if here:
            write_journal(here)
        pull_progress(pointer)
        assert count_answers() == expected
        with JOURNAL.open("a") as journal:
            journal.write("one more\n")
        assert count_answers() == expected + 1


def test_a_sealed_checkpoint_comes_whole_and_over_none_that_is_sealed(on: Callable[..., object]) -> None:
    with on("b"):
        for step in (1, 2, 3):
            write_checkpoint(step, f"step {step}, all of it")
        pointer = push_progress()
    with on("a"):
        write_checkpoint(1, "step 1, made here")
        write_checkpoint(2, "st", sealed=False)
        (CHECKPOINTS / "checkpoint-2/cut.txt").touch()
        pull_progress(pointer)
        found = {path.name: (path / "weights.txt").read_text() for path in CHECKPOINTS.iterdir()}
        assert found == {
            "checkpoint-1": "step 1, made here",
            "checkpoint-2": "step 2, all of it",
            "checkpoint-3": "step 3, all of it",
        }
        assert all((path / "COMPLETE").is_file() for path in CHECKPOINTS.iterdir())
        assert not (CHECKPOINTS / "checkpoint-2/cut.txt").exists()


def test_of_a_finished_stage_only_the_answers_are_fetched_again(on: Callable[..., object], prefect: None) -> None:
    with on("b"):
        write_checkpoint(1, "of a judge that is done")
        write_journal(100)
        Syncing("progress-answers", 3600, LOG).push()
        write_journal(300)
        finish_progress("progress-answers", LOG)
    with on("a"):
        fetch_progress("progress-answers", LOG)
        assert count_answers() == 300
        assert not CHECKPOINTS.exists()


def test_a_finished_stage_without_answers_leaves_nothing_to_fetch(on: Callable[..., object], prefect: None) -> None:
    with on("b"):
        write_checkpoint(1, "of a judge that is done")
        Syncing("progress-training", 3600, LOG).push()
        finish_progress("progress-training", LOG)
    with on("a"):
        fetch_progress("progress-training", LOG)
        assert not Path(".judgeforge").exists()
