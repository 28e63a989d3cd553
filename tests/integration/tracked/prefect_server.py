"""A real Prefect server for tests, on a free loopback port."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx


@contextlib.contextmanager
def running_prefect(folder: Path) -> Iterator[dict[str, str]]:
    """Run ``prefect server start`` with its files in ``folder``, and give the variables that point to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/api"
    variables = {
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": address,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "prefect.log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | variables, cwd=folder, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 180
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"{address}/health", timeout=2).raise_for_status()
                break
            assert server.poll() is None and time.monotonic() < deadline, (folder / "prefect.log").read_text()[-2000:]
            time.sleep(0.3)
        yield variables
    finally:
        with contextlib.suppress(ProcessLookupError):  # it never came up: the assertion above says why
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
