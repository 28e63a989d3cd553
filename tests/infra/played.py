"""Machines that moto says are running, played on this one: each executes the worker script of its own user data."""

import base64
import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from rented import Moto

_LOOK_S = 0.5
_SCRIPT = "/etc/judgeforge/worker.sh"


class PlayedMachines:
    """Boots a process for each machine that comes up, and takes it away with everything under it when it goes.

    Args:
        moto: the server itself, not one before it.
        folder: each machine gets a home below it.
        environment: what a machine has by its image or its role: addresses and credentials of the cloud.
    """

    def __init__(self, moto: Moto, folder: Path, environment: dict[str, str]) -> None:
        self._moto, self._folder, self._environment = moto, folder, environment
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.most = 0
        """How many were up at a time."""

    def __enter__(self) -> "PlayedMachines":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for machine in list(self.processes):
            self.take_away(machine)

    def _play(self) -> None:
        while not self._ended.wait(_LOOK_S):
            try:
                live = {one["InstanceId"]: one for one in self._moto.live_instances()}
            except Exception:  # noqa: S112 - a test stops the server for a while
                continue
            for machine in [each for each in self.processes if each not in live]:
                self.take_away(machine)
            for machine in live.keys() - self.processes.keys():
                self.processes[machine] = self._boot(machine)
            self.most = max(self.most, len(self.processes))

    def _boot(self, machine: str) -> "subprocess.Popen[bytes]":
        home = self._folder / machine
        home.mkdir(parents=True)
        (home / "worker.sh").write_text(self._read_script(machine))
        with (home / "boot.log").open("wb") as log:
            return subprocess.Popen(
                ["bash", str(home / "worker.sh")],
                cwd=home,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self._environment
                | {
                    "HOME": str(home),
                    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                    "PREFECT_HOME": str(home / "prefect"),
                    "JUDGEFORGE_HOME": str(home),
                    "JUDGEFORGE_MACHINE": machine,
                    "JUDGEFORGE_VENV": str(Path(sys.executable).parents[1]),
                    "PREFECT_WORKER_QUERY_SECONDS": "2",
                },
            )

    def _read_script(self, machine: str) -> str:
        """Read the worker script out of the user data of the machine's launch template."""
        ec2 = self._moto.client("ec2")
        tags = {tag["Key"]: tag["Value"] for tag in self._describe(machine)["Tags"]}
        run = {"Name": "tag:judgeforge:run", "Values": [tags["judgeforge:run"]]}
        template = ec2.describe_launch_templates(Filters=[run])["LaunchTemplates"][0]["LaunchTemplateId"]
        version = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"][-1]
        document = base64.b64decode(version["LaunchTemplateData"]["UserData"]).decode()
        files = json.loads(document.removeprefix("#cloud-config\n"))["write_files"]
        content = next(each["content"] for each in files if each["path"] == _SCRIPT)
        return gzip.decompress(base64.b64decode(content)).decode()

    def _describe(self, machine: str) -> dict[str, Any]:
        found = self._moto.client("ec2").describe_instances(InstanceIds=[machine])
        instance: dict[str, Any] = found["Reservations"][0]["Instances"][0]
        return instance

    def take_away(self, machine: str) -> None:
        """Cut the power: everything on the machine is gone at once."""
        process = self.processes.pop(machine)
        for pid in find_processes(machine):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()

    def read_logs(self) -> str:
        return "\n".join(f"{path}:\n{path.read_text()[-3000:]}" for path in sorted(self._folder.glob("*/boot.log")))


def find_processes(machine: str) -> list[int]:
    """Return the processes of a machine: all that were started on it bear its name."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("JUDGEFORGE_MACHINE") == machine:
                found.append(process.pid)
    return found


def wait_for(condition: Any, limit_s: float = 300, what: Any = lambda: "") -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.25)
