"""A real Prefect server and real workers, each a process of its own that a test may kill."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

_START_S = 120


def find_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class PrefectServer:
    """``prefect server start`` on a loopback port and a database that stay the same over restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, find_free_port()
        self.address = f"http://127.0.0.1:{self.port}/api"
        self._process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        return {"PREFECT_API_URL": self.address, "PREFECT_HOME": str(self.folder / "home")}

    def start(self) -> None:
        (self.folder / "home").mkdir(parents=True, exist_ok=True)
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | self.environment() | {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
            )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.address}/health", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.3)
        raise RuntimeError((self.folder / "server.log").read_text()[-3000:])

    def stop(self) -> None:
        if self._process is not None:
            kill_group(self._process)
            self._process = None


class Worker:
    """``prefect worker start`` for a pool, with a checkout of its own."""

    def __init__(self, name: str, checkout: Path, environment: dict[str, str], pool: str = "judgeforge-gpu") -> None:
        self.name, self.checkout = name, checkout
        self._log = checkout.with_suffix(".log")
        options = ["--type", "process", "--pool", pool]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "prefect", "worker", "start", *options, "--limit", "1", "--name", name],
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=checkout.parent,
                env=environment | {"JUDGEFORGE_CHECKOUT": str(checkout), "PREFECT_WORKER_QUERY_SECONDS": "2"},
            )

    def read_log(self) -> str:
        return self._log.read_text()

    def lose(self) -> None:
        """Take the whole machine away: the worker and everything that runs under it."""
        processes = [self.process.pid, *find_descendants(self.process.pid)]
        for pid in processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.lose()


def find_descendants(pid: int) -> list[int]:
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
