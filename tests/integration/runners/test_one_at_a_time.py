"""One retraining of a model at a time: the second is refused or waits, and a dead one holds nobody up."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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
    with one_at_a_time(model, when_busy):
        Path(sys.argv[4]).write_text("in")
        time.sleep(seconds)
        Path(sys.argv[4]).write_text("out")

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


def test_a_second_one_is_refused_or_waits_and_another_model_is_free(
    start: Callable[..., "subprocess.Popen[str]"], tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    first = start("judge", "refuse", 40, "first")
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
    assert first.wait(timeout=120) == 0
    assert waiting.wait(timeout=180) == 0
    assert (tmp_path / "waiting").read_text() == "out"


def test_a_place_that_a_dead_one_left_is_free_once_its_run_is_known_to_be_lost(
    start: Callable[..., "subprocess.Popen[str]"],
    server: PrefectServer,
    tmp_path: Path,
    wait_for: Callable[..., None],
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.states import Crashed

    dead = start("left", "refuse", 600, "dead")
    wait_for((tmp_path / "dead").exists)
    dead.send_signal(signal.SIGKILL)
    dead.wait()
    with temporary_settings({PREFECT_API_URL: server.address}), get_client(sync_client=True) as client:
        running = [run for run in client.read_flow_runs() if run.state and run.state.is_running()]
        for run in running:
            client.set_flow_run_state(run.id, Crashed(message="found by heal"), force=True)
    again = start("left", "refuse", 0, "again")
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
