"""Machines that moto says are running, played on this one: each executes the scripts of its own user data.

There is no systemd: what worker.service and watchdog.service ask of it when a machine is shut down is done here.
"""

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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
from played_machine import serve_metadata
from rented import Moto

_LOOK_S = 0.5
_SHUTDOWN_S = 120.0
_SCRIPTS = ("worker.sh", "watchdog.sh")


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
        self._leaving: dict[str, threading.Thread] = {}
        self.processes: dict[str, list[subprocess.Popen[bytes]]] = {}
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
        with serve_metadata() as metadata:
            while not self._ended.wait(_LOOK_S):
                try:
                    live = {one["InstanceId"]: one for one in self._moto.live_instances()}
                except Exception:  # noqa: S112 - a test stops the server for a while
                    continue
                for machine in [each for each in self.processes if each not in live and each not in self._leaving]:
                    self._leaving[machine] = threading.Thread(target=self._shut_down, args=(machine,), daemon=True)
                    self._leaving[machine].start()
                for machine in live.keys() - self.processes.keys():
                    self.processes[machine] = self._boot(machine, metadata.address)
                self.most = max(self.most, len(self.processes))

    def _boot(self, machine: str, metadata: str) -> "list[subprocess.Popen[bytes]]":
        home = self._folder / machine
        home.mkdir(parents=True)
        (home / "uptime").write_text("60.00 0.00\n")  # no test here is about a machine's age
        environment = self._environment | {
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PREFECT_HOME": str(home / "prefect"),
            "JUDGEFORGE_HOME": str(home),
            "JUDGEFORGE_MACHINE": machine,
            "JUDGEFORGE_VENV": str(Path(sys.executable).parents[1]),
            "PREFECT_WORKER_QUERY_SECONDS": "2",
        }
        alone = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata, "JUDGEFORGE_UPTIME": str(home / "uptime")}
        started = []
        for name, content in self._read_scripts(machine).items():
            (home / name).write_text(content)
            with (home / f"{name}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        ["bash", str(home / name)],
                        cwd=home,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                        env=environment | (alone if name == "watchdog.sh" else {}),
                    )
                )
        return started

    def _read_scripts(self, machine: str) -> dict[str, str]:
        """Read worker and watchdog out of the user data of the machine's launch template."""
        ec2 = self._moto.client("ec2")
        tags = {tag["Key"]: tag["Value"] for tag in self._describe(machine)["Tags"]}
        run = {"Name": "tag:judgeforge:run", "Values": [tags["judgeforge:run"]]}
        template = ec2.describe_launch_templates(Filters=[run])["LaunchTemplates"][0]["LaunchTemplateId"]
        version = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"][-1]
        document = base64.b64decode(version["LaunchTemplateData"]["UserData"]).decode()
        written = json.loads(document.removeprefix("#cloud-config\n"))["write_files"]
        files = {each["path"]: each["content"] for each in written}
        return {name: gzip.decompress(base64.b64decode(files[f"/etc/judgeforge/{name}"])).decode() for name in _SCRIPTS}

    def _describe(self, machine: str) -> dict[str, Any]:
        found = self._moto.client("ec2").describe_instances(InstanceIds=[machine])
        instance: dict[str, Any] = found["Reservations"][0]["Instances"][0]
        return instance

    def _shut_down(self, machine: str) -> None:
        """End it as its operating system does: the watchdog first, which waits for stages, then the rest."""
        watchdog = self.processes[machine][_SCRIPTS.index("watchdog.sh")]
        watchdog.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            watchdog.wait(_SHUTDOWN_S)
        self.take_away(machine)

    def take_away(self, machine: str) -> None:
        """Cut the power: everything on the machine is gone at once."""
        kill(find_processes(machine))
        for process in self.processes.pop(machine, []):
            process.wait()

    def kill_worker(self, machine: str) -> None:
        """Kill the worker and all below it, with no warning; the machine stays, and its watchdog."""
        watchdog = self.processes[machine][_SCRIPTS.index("watchdog.sh")].pid
        kill(pid for pid in find_processes(machine) if psutil.pid_exists(pid) and os.getsid(pid) != watchdog)

    def read_logs(self) -> str:
        return "\n".join(f"{path}:\n{path.read_text()[-3000:]}" for path in sorted(self._folder.glob("*/*.sh.log")))


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


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
