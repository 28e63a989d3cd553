"""``judgeforge serve`` as a real process on a free loopback port, with a random judge."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from judgeforge.grading.templates import JudgeTemplate, write_template

ROOT = Path(__file__).parents[3]
TOKENS = ("first-token-0123456789", "second-token-0123456789")
RUBRIC = {"criteria": "Is it prime?", "levels": ["no", "hardly", "half", "nearly", "yes"]}
DIRECT: dict[str, Any] = {"instruction": "Name a prime.", "response": "9", "rubric": RUBRIC}
START_S = 120


class Service:
    """The service of a folder.

    Args:
        folder: holds params.yaml.
        options: of ``judgeforge serve``.
        environment: more variables.
    """

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.log = folder / "serve.log"
        command = [sys.executable, "-m", "judgeforge.cli", "serve", "--port", "0", *options]
        variables = os.environ | {"JUDGEFORGE_SERVE_TOKENS": ",".join(TOKENS), "OMP_NUM_THREADS": "1"} | environment
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log)
        self.address = self._wait_for_address()
        self.client = httpx.Client(
            base_url=self.address, headers={"Authorization": f"Bearer {TOKENS[0]}"}, timeout=START_S
        )

    def _wait_for_address(self) -> str:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := re.search(r"serve: judge \S+ at (http://\S+)", self.log.read_text()):
                return found[1]
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(self.log.read_text()[-3000:])

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def grade(self, **changes: Any) -> httpx.Response:
        return self.client.post("/grade/direct", json=DIRECT | changes)

    def find_worker(self) -> int | None:
        return httpx.get(f"{self.address}/health/ready").json()["worker"]

    def kill_worker(self, signal_number: int = signal.SIGKILL) -> None:
        """Wait until there is one, and send it a signal."""
        while (worker := self.find_worker()) is None:
            time.sleep(0.1)
        os.kill(worker, signal_number)

    def wait_for(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_S
        while not done():
            assert time.monotonic() < deadline and self.process.poll() is None, self.log.read_text()[-3000:]
            time.sleep(0.05)

    def read_metric(self, name: str) -> float:
        """Sum a metric over its labels."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{re.escape(name)}[ {{]", line))

    def start_load(self, count: int, seconds: float) -> subprocess.Popen[str]:
        command = [sys.executable, str(Path(__file__).with_name("load.py")), self.address, TOKENS[1]]
        return subprocess.Popen([*command, str(count), str(seconds)], stdout=subprocess.PIPE, text=True)

    def end(self) -> int:
        """End it in order; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_S)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def read_load(load: "subprocess.Popen[str]") -> list[list[Any]]:
    output, _ = load.communicate()
    assert load.returncode == 0
    return json.loads(output)


def prepare(folder: Path, miniature: Path, template: JudgeTemplate, **evaluate: Any) -> Path:
    """Put params.yaml and the judge ``judge`` into a folder."""
    shutil.copytree(miniature, folder / "judge")
    write_template(template, folder / "judge")
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["evaluate"] |= {"constrained": True, "max_new_tokens": 24, "dtype": "float32", "batch_size": 8}
    params["evaluate"] |= {"max_prompt_tokens": 3000, "cpu_threads": 1} | evaluate
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, miniature: Path, template: JudgeTemplate) -> Path:
    return prepare(tmp_path_factory.mktemp("serving"), miniature, template)


@pytest.fixture(scope="session")
def service(place: Path) -> Iterator[Service]:
    """Serve with narrow limits, for all tests that leave it as it is."""
    limits = ["--max-body-bytes", "20000", "--read-timeout-s", "1", "--hang-s", "2", "--timeout-s", "280"]
    running = Service(place, "--model", "judge", *limits)
    yield running
    running.stop()


@pytest.fixture
def start(tmp_path: Path, miniature: Path, template: JudgeTemplate) -> Iterator[Callable[..., Service]]:
    """Start a service of its own: values of the section evaluate by keyword, options by position."""
    running: list[Service] = []

    def run(*options: str, **evaluate: Any) -> Service:
        folder = prepare(tmp_path, miniature, template, **evaluate)
        running.append(Service(folder, "--model", "judge", *options))
        return running[-1]

    yield run
    for each in running:
        each.stop()
