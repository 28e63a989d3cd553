"""Real workers of Prefect's, each a process of its own that a test may kill."""

import os
import signal
import subprocess
import sys
from pathlib import Path


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
