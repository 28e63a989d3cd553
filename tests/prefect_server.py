"""A real Prefect server for tests, on a free loopback port and a database that stay the same over restarts."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import tenacity

_START_S = 180
_BUSY_S, _ANSWER_S = 60, 120


def _is_busy(error: BaseException) -> bool:
    """Whether the server says that it has too much to do: on SQLite and two busy cores it does."""
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code == httpx.codes.SERVICE_UNAVAILABLE


class PrefectServer:
    """``prefect server start``.

    Args:
        folder: for its files; made if missing.
        database: its address, as Prefect takes it; None: an SQLite file in the folder.
    """

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self._folder, self._log, self._database = folder, folder / "server.log", database
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])
        self.address = f"http://127.0.0.1:{self._port}/api"
        self._process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        """Return the variables that point to it."""
        settings = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
        return settings | {"PREFECT_API_URL": self.address, "PREFECT_HOME": str(self._folder / "home")}

    def start(self) -> None:
        """Start it, and wait until it answers."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self._port)]
        own = {"PREFECT_API_DATABASE_CONNECTION_URL": self._database} if self._database else {}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, env=kept | self.environment() | own
            )
        deadline = time.monotonic() + _START_S
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"{self.address}/health", timeout=2).raise_for_status()
                return
            assert self._process.poll() is None and time.monotonic() < deadline, self._log.read_text()[-3000:]
            time.sleep(0.3)

    @tenacity.retry(
        retry=tenacity.retry_if_exception(_is_busy),
        stop=tenacity.stop_after_delay(_BUSY_S),
        wait=tenacity.wait_fixed(1),
        reraise=True,
    )
    def ask(self, path: str, body: Any = None) -> Any:
        """Read ``path``, or send ``body`` there, and return the answer; asked again while the server is too busy."""
        url = f"{self.address}/{path}"
        answer = httpx.get(url, timeout=_ANSWER_S) if body is None else httpx.post(url, json=body, timeout=_ANSWER_S)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def stop(self) -> None:
        """Kill it, as a power cut would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running_prefect(folder: Path) -> Iterator[PrefectServer]:
    """Run one as long as the block lasts."""
    server = PrefectServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
