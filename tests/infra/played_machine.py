"""A machine played on this one: scripts rendered by Terraform, a metadata service on loopback, processes to watch."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rented import INFRA, clean_environment
from terraformed import terraform

MACHINE = "i-0123456789abcdef0"
_WAIT_S = 180.0
# A provider that is not AWS: what the watchdog asks it is a file here, and what it is told goes into another.
FUNCTIONS = """\
machine_id() { echo "$PLAYED_ID"; }
machine_reclaimed() { [ -e "$JUDGEFORGE_HOME/reclaim" ]; }
machine_secret() { cat "$JUDGEFORGE_HOME/secret.$1"; }
machine_end() { [ ! -e "$JUDGEFORGE_HOME/stuck" ] && echo "$1" >>"$JUDGEFORGE_HOME/ended"; }
"""


def render_machine(folder: Path, **changed: Any) -> dict[str, str]:
    """Render the scripts of modules/gpu_runner/machine for a made-up provider."""
    target = folder / "machine"
    shutil.copytree(INFRA / "modules/gpu_runner/machine", target, ignore=shutil.ignore_patterns("tests", ".terraform*"))
    values = {
        "pool": "gpu",
        "prefect_api_url": "http://127.0.0.1:4200/api",
        "repository_url": "https://git.example.org/judgeforge.git",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "extras": ["pipeline", "train"],
        "remote_url": "s3://artifacts/remote",
        "idle_minutes": 10,
        "max_life_minutes": 240,
        "checkpoint_grace_s": 30,
        "provider_functions": FUNCTIONS,
    }
    (target / "values.auto.tfvars.json").write_text(json.dumps(values | changed))
    terraform(target, "init")
    terraform(target, "apply", "-auto-approve")
    found = json.loads(terraform(target, "output", "-json").stdout)
    return {name: output["value"] for name, output in found.items()}


class Metadata:
    """What a machine's metadata service says.

    Args:
        address: where it listens.
        answers: by path below ``latest/meta-data``; what is not there is 404.
    """

    def __init__(self, address: str, answers: dict[str, str]) -> None:
        self.address, self.answers = address, answers
        self.without_token = 0


@contextlib.contextmanager
def serve_metadata() -> Iterator[Metadata]:
    """Serve metadata on loopback, by version 2: a token first."""
    found = Metadata("", {"instance-id": MACHINE})

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            is_token = self.path == "/latest/api/token" and "X-aws-ec2-metadata-token-ttl-seconds" in self.headers
            self._answer(200 if is_token else 404, "a-token" if is_token else "")

        def do_GET(self) -> None:
            if self.headers.get("X-aws-ec2-metadata-token") != "a-token":
                found.without_token += 1
                self._answer(401, "")
                return
            answer = found.answers.get(self.path.removeprefix("/latest/meta-data/"))
            self._answer(404 if answer is None else 200, answer or "")

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


def wait_for(condition: Callable[[], Any], what: str, limit_s: float = _WAIT_S) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it did not come true in time.
    """
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)


class Watchdog:
    """A watchdog that runs.

    Args:
        home: the played machine's folder.
        process: of the script.
        log: what it says.
    """

    def __init__(self, home: Path, process: subprocess.Popen[bytes], log: Path) -> None:
        self.home, self.process, self.log = home, process, log

    def set_uptime(self, minutes: float) -> None:
        """Let the machine have been up for so long."""
        replacement = self.home / "uptime.new"
        replacement.write_text(f"{minutes * 60:.2f} 0.00\n")
        replacement.replace(self.home / "uptime")

    def looks_again(self) -> None:
        """Wait until it has looked at everything once more, from the beginning of a round."""
        marks = self.home / "looks"
        seen = marks.stat().st_size if marks.exists() else 0
        wait_for(lambda: marks.exists() and marks.stat().st_size >= seen + 2, "the watchdog looks around")

    def ended_for(self) -> str:
        """Wait for its end, and say for what reason it ended the machine; nothing if it did not."""
        assert self.process.wait(timeout=_WAIT_S) == 0, self.log.read_text()
        ended = self.home / "ended"
        return ended.read_text().strip() if ended.exists() else ""


@contextlib.contextmanager
def run_watchdog(script: str, home: Path, **environment: str) -> Iterator[Watchdog]:
    """Run a rendered watchdog on a played machine that has been up for one minute."""
    home.mkdir(exist_ok=True)
    path, log = home / "watchdog.sh", home / "watchdog.log"
    # Each question whether the machine is to be taken away leaves a mark, so that a test can wait for a round.
    path.write_text(
        script.replace(
            '[ -e "$JUDGEFORGE_HOME/reclaim" ]',
            'printf . >>"$JUDGEFORGE_HOME/looks"; [ -e "$JUDGEFORGE_HOME/reclaim" ]',
        )
    )
    (home / "uptime").write_text("60.00 0.00\n")
    added = {"JUDGEFORGE_HOME": str(home), "JUDGEFORGE_UPTIME": str(home / "uptime"), "JUDGEFORGE_POLL_S": "0.1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", path], env=clean_environment(PLAYED_ID=home.name, **added, **environment), stderr=output
        )
    try:
        wait_for(lambda: "watching" in log.read_text(), "the watchdog starts")
        yield Watchdog(home, process, log)
    finally:
        process.kill()
        process.wait()


FLOW = """\
import subprocess, sys
# As the pull, the stage and the push of a flow run on a worker: the push comes after the stage has ended.
stage = subprocess.Popen(["sh", "-c", sys.executable + " -m judgeforge.played; exit $?"])
code = stage.wait()
open(sys.argv[1] + "/pushed", "w").write(str(code))
"""
STAGE = """\
import os, pathlib, signal, sys, time
home = pathlib.Path(os.environ["JUDGEFORGE_HOME"])
def seal(*_):
    (home / "sealed").write_text("checkpoint")
    sys.exit(75)
signal.signal(signal.SIGTERM, signal.SIG_IGN if (home / "stubborn").exists() else seal)
(home / "working").write_text(str(os.getpid()))
while True:
    time.sleep(0.05)
"""


@contextlib.contextmanager
def run_flow(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run what looks like a flow run of this machine's worker: a shell as DVC starts one, and a stage below it."""
    package = home / "package" / "judgeforge"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "played.py").write_text(STAGE)
    added = {"JUDGEFORGE_MACHINE": home.name, "PREFECT__FLOW_RUN_ID": "a-flow-run", "JUDGEFORGE_HOME": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-c", FLOW, home], env=os.environ | added | {"PYTHONPATH": str(package.parent)}
    )
    try:
        wait_for((home / "working").exists, "the stage works")
        yield process
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((home / "working").read_text()), 9)


def run_script(script: str, *, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in bash, without this machine's own settings of the cloud."""
    done = subprocess.run(
        ["bash", "-c", script], env=clean_environment(**environment), text=True, capture_output=True, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def write_stub(folder: Path, name: str, text: str) -> None:
    """Write a command that stands in for another of its name on PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
