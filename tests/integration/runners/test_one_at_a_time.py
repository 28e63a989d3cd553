"""One retraining of a model at a time: the second is refused or waits, and a dead one holds nobody up."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runners.projects import ROOT
from tests.prefect_server import PrefectServer

pytestmark = pytest.mark.slow
HOLDER = """
import sys, time
from pathlib import Path
from flows.alone import one_at_a_time
from prefect import flow
from judgeforge.stage import run_program

@flow(name="retrain")
def hold(model, when_busy, seconds):
    with one_at_a_time(model, when_busy, 90):
        note, ends = Path(sys.argv[4]), time.monotonic() + seconds
        note.write_text("in")
        while time.monotonic() < ends and not note.with_suffix(".enough").exists():
            time.sleep(0.1)
        note.write_text("out")

run_program(lambda: hold(sys.argv[1], sys.argv[2], float(sys.argv[3])))
"""


@pytest.fixture
def start(server: PrefectServer, tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    environment = os.environ | server.environment() | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}

    def run(model: str, when_busy: str, seconds: float, note: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", HOLDER, model, when_busy, str(seconds), str(tmp_path / note)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
        )

    return run


@contextlib.contextmanager
def asking(server: PrefectServer) -> Iterator[Any]:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: server.address}), get_client(sync_client=True) as client:
        yield client


def lose_place(server: PrefectServer, model: str) -> None:
    """Do what the server does to a place whose lease was not renewed, as after an outage of some minutes."""
    from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

    from flows.alone import name_limit

    with asking(server) as client:
        client.update_global_concurrency_limit(name_limit(model), GlobalConcurrencyLimitUpdate(active_slots=0))


def read_tags(server: PrefectServer) -> list[str]:
    with asking(server) as client:
        return sorted(tag for run in client.read_flow_runs() for tag in run.tags)


def test_a_second_one_is_refused_or_waits_and_another_model_is_free(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    first = start("judge", "refuse", 600, "first")
    wait_for((tmp_path / "first").exists)
    waiting = start("judge", "wait", 0, "waiting")
    other = start("another", "refuse", 0, "other")
    refused = start("judge", "refuse", 0, "refused")
    said, _ = refused.communicate(timeout=120)
    assert refused.returncode == 75
    assert "error: Another retraining of judge is at work." in said
    assert not (tmp_path / "refused").exists()
    assert other.wait(timeout=120) == 0
    assert (tmp_path / "first").read_text() == "in"
    assert not (tmp_path / "waiting").exists()
    (tmp_path / "first.enough").touch()
    assert first.wait(timeout=120) == 0
    assert waiting.wait(timeout=180) == 0
    assert (tmp_path / "waiting").read_text() == "out"


def test_a_place_that_a_dead_one_left_is_free_once_its_run_is_known_to_be_lost(
    start: Callable[..., "subprocess.Popen[str]"],
    server: PrefectServer,
    tmp_path: Path,
    wait_for: Callable[..., None],
) -> None:
    from prefect.states import Crashed

    dead = start("left", "refuse", 600, "dead")
    wait_for((tmp_path / "dead").exists)
    dead.send_signal(signal.SIGKILL)
    dead.wait()
    with asking(server) as client:
        running = [run for run in client.read_flow_runs() if run.state and run.state.is_running()]
        for run in running:
            client.set_flow_run_state(run.id, Crashed(message="found by heal"), force=True)
    again = start("left", "refuse", 0, "again")
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said


def test_a_living_one_that_lost_its_place_in_an_outage_is_still_the_only_one(
    start: Callable[..., "subprocess.Popen[str]"],
    server: PrefectServer,
    tmp_path: Path,
    wait_for: Callable[..., None],
) -> None:
    first = start("outage", "refuse", 600, "first")
    wait_for((tmp_path / "first").exists)
    lose_place(server, "outage")
    waiting = [start("outage", "wait", 0, name) for name in ("waiting", "another")]
    refused = start("outage", "refuse", 0, "refused")
    said, _ = refused.communicate(timeout=120)
    assert refused.returncode == 75, said
    assert "error: Another retraining of outage is at work." in said
    assert first.poll() is None
    wait_for(lambda: read_tags(server).count("judgeforge:waiting") == 2)
    assert not [name for name in ("waiting", "another") if (tmp_path / name).exists()]
    (tmp_path / "first.enough").touch()
    assert first.wait(timeout=120) == 0
    assert [each.wait(timeout=240) for each in waiting] == [0, 0]
    assert (tmp_path / "waiting").read_text() == (tmp_path / "another").read_text() == "out"
    assert not [tag for tag in read_tags(server) if tag.endswith((":outage", ":waiting"))], "a place given back"


@pytest.mark.parametrize("when_busy", ["refuse", "wait"])
def test_a_dead_one_that_nobody_marked_is_found_by_who_comes_next(
    start: Callable[..., "subprocess.Popen[str]"],
    tmp_path: Path,
    wait_for: Callable[..., None],
    when_busy: str,
) -> None:
    model = f"silent-{when_busy}"
    dead = start(model, "refuse", 600, "dead")
    wait_for((tmp_path / "dead").exists)
    dead.send_signal(signal.SIGKILL)
    dead.wait()
    at_once = start(model, "refuse", 0, "at-once")
    said, _ = at_once.communicate(timeout=120)
    assert at_once.returncode == 75, f"it gave a sign of life just now: {said}"
    time.sleep(90 if when_busy == "refuse" else 0)
    again = start(model, when_busy, 0, "again")
    said, _ = again.communicate(timeout=280)
    assert again.returncode == 0, said
