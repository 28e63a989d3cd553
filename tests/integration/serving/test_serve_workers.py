"""Workers that do not start, cannot be started, or are of no use: the service outlives them, and leaves none behind."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from judgeforge.errors import EnvironmentFault
from judgeforge.grading.templates import TEMPLATE_FILE
from judgeforge.params import EvaluateParams, load_section
from judgeforge.serve.child import Child
from judgeforge.serve.messages import Ask, Job, encode
from judgeforge.serve.worker import WARM_UP
from tests.integration.serving.conftest import DIRECT, START_S, prepare
from tests.integration.serving.test_serve_faults import is_alive


@pytest.fixture
def stuck(tmp_path: Path, miniature: Path, template) -> Path:
    """A folder whose judge never finishes loading: a file of it is a pipe into which nobody writes."""
    prepare(tmp_path, miniature, template)
    (tmp_path / "judge" / TEMPLATE_FILE).unlink()
    os.mkfifo(tmp_path / "judge" / TEMPLATE_FILE)
    return tmp_path


def wait_until_gone(pid: int, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        assert time.monotonic() < deadline, f"{pid} is still there"
        time.sleep(0.05)


def wait_for_reader(pipe: Path) -> int:
    """Wait until somebody reads a pipe; returns its other end, so that the reader goes on waiting."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        time.sleep(0.05)
    raise AssertionError("nobody reads it")


def build_job(place: Path) -> Job:
    params = load_section("evaluate", EvaluateParams, place / "params.yaml")
    return Job(model=place / "judge", base=None, params=params)


def test_a_worker_that_does_not_become_ready_is_killed(stuck):
    async def start() -> int:
        child = Child(lambda *_: None, lambda _: None)
        with pytest.raises(EnvironmentFault, match="was not ready within 4 s"):
            await child.start(build_job(stuck), 4)
        return child.pid

    began = time.monotonic()
    wait_until_gone(asyncio.run(start()))
    assert time.monotonic() - began < 30


def test_a_service_that_is_killed_while_a_judge_loads_leaves_no_worker(stuck):
    command = [sys.executable, "-m", "judgeforge.cli", "serve", "--port", "0", "--model", "judge"]
    with (stuck / "serve.log").open("wb") as log:
        service = subprocess.Popen(command, cwd=stuck, stdout=log, stderr=log)
    other_end = wait_for_reader(stuck / "judge" / TEMPLATE_FILE)
    (worker,) = map(int, Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split())
    service.kill()
    service.wait()
    wait_until_gone(worker)
    os.close(other_end)


@pytest.mark.slow
def test_a_worker_that_could_not_be_started_for_want_of_files_is_started_later(start):
    service = start()
    limits = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
    worker = service.find_worker()
    resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    os.kill(worker, signal.SIGKILL)
    service.wait_for(lambda: "no worker" in service.log.read_text())
    resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, limits)
    assert service.grade().status_code == 200


@pytest.mark.slow
def test_a_worker_that_hangs_while_its_successor_waits_for_its_end_is_killed(start):
    service = start("--one-at-a-time", "--hang-s", "2")
    old = service.find_worker()
    os.kill(old, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(service.grade)
        service.wait_for(lambda: service.read_metric("judgeforge_items_sent") == 1)
        assert service.client.post("/admin/reload").status_code == 202
        assert asked.result().status_code == 200
    assert not is_alive(old)


@pytest.mark.slow
def test_a_wish_for_a_change_during_a_change_is_not_forgotten(start):
    service = start()
    told = [service.client.post("/admin/reload").json()["status"] for _ in range(3)]
    assert told == ["started", "under way", "under way"]
    service.wait_for(lambda: service.read_metric("judgeforge_changes_total") == 1)
    service.wait_for(lambda: service.read_metric("judgeforge_changes_total") == 2)


@pytest.mark.slow
def test_a_service_whose_log_is_gone_goes_on(tmp_path, miniature, template):
    import httpx

    place = prepare(tmp_path, miniature, template)
    command = [sys.executable, "-m", "judgeforge.cli", "serve", "--port", "0", "--model", "judge"]
    service = subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True)
    try:
        while "http://" not in (line := service.stderr.readline()):
            assert line
        service.stderr.close()
        address = line.split()[-1]
        with httpx.Client(base_url=address, timeout=START_S) as client:
            os.kill(client.get("/health/ready").json()["worker"], signal.SIGKILL)
            time.sleep(1)
            assert client.post("/grade/direct", json=DIRECT).status_code == 200
    finally:
        service.kill()
        service.wait()


BROKEN = """
import socket, sys, threading
from pathlib import Path
from judgeforge.serve.grader import open_grader
from judgeforge.serve.messages import Job
from judgeforge.serve.worker import Worker

wire = socket.socket(fileno=int(sys.argv[1]))
lines = wire.makefile("rb")
job = Job.model_validate_json(lines.readline())
worker = Worker(wire)
threading.Thread(target=worker.listen, args=(lines,), daemon=True).start()
with open_grader(job) as grader:
    worker.say_ready(grader)
    grader._engine.close()  # from now on, nothing can be graded, as after a fault of the GPU
    worker.work(grader)
"""


def test_a_worker_that_fails_at_everything_ends_so_that_its_items_are_asked_elsewhere(tmp_path, miniature, template):
    job = build_job(prepare(tmp_path, miniature, template))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker = subprocess.Popen(
            [sys.executable, "-c", BROKEN, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        theirs.close()
        ours.sendall(encode(job) + encode(Ask(number=7, item=WARM_UP[0])))
        ours.settimeout(START_S)
        said = ours.makefile("rb").read()
        _, errors = worker.communicate()
    assert worker.returncode == -signal.SIGKILL, "with all that it has started"
    assert b"window" in said and b'"number":7' not in said, "the item is not answered, and so asked again"
    assert b"_model" in errors
