"""A flow's folder whose machines are moto's: a copy of infra/terraform, the site's file, a program that raises them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rented import ARTIFACTS, IMAGE, REGION, ROOT, STATES, TERRAFORM, Moto, clean_environment
from rented import Site as Network
from terraformed import copy_infra

from flows.machines.detached import end_session, find_process
from flows.machines.site import Site
from judgeforge.params import RunnerParams

RUN = "3f0c9a52-1111-4222-8333-444455556666"
WAIT_S = 120.0

PROGRAM = """
import json, logging, os, sys, time
from pathlib import Path
from flows.machines.life import gpu_runner
from flows.machines.site import load_site
from judgeforge.params import RunnerParams
from judgeforge.stage import run_program

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout)

def main():
    asked = json.loads(sys.argv[1])
    settings = RunnerParams.model_validate(asked["settings"])
    asked["more"]["commit"] = "a" * 40
    seen, costs = {}, []
    for _ in range(asked["before"]):  # machines that went, and a run that goes on
        with gpu_runner(settings, load_site(), asked["run"], asked["machines"], seen=seen, **asked["more"]) as machines:
            machines.list_machines()
        costs.append(machines.spent().usd)
        Path("costs.json").write_text(json.dumps(costs))
    with gpu_runner(settings, load_site(), asked["run"], asked["machines"], seen=seen, **asked["more"]) as machines:
        Path("up.json").write_text(json.dumps([one.id for one in machines.list_machines() if one.state != "gone"]))
        if asked["ending"] == "error":
            raise ValueError("a stage failed")
        while asked["ending"] == "signal":
            time.sleep(0.05)
    Path("spent.json").write_text(json.dumps(machines.spent().usd))

run_program(main)
"""


def build_settings(**changed: Any) -> RunnerParams:
    values: dict[str, Any] = {
        "provider": "aws",
        "pool": "gpu",
        "stages": ["train"],
        "workers": 2,
        "machines": [{"type": "g6.xlarge", "hourly_usd": 1.0}, {"type": "g5.xlarge", "hourly_usd": 2.0}],
        "spot": True,
        "disk_gib": 100,
        "max_life_minutes": 240,
        "idle_minutes": 10,
        "start_minutes": 2,
        "lost_after_s": 90,
        "sync_every_s": 60,
        "max_usd": None,
    }
    return RunnerParams.model_validate(values | changed)


class Folder:
    """Where a flow runs whose machines are moto's.

    Args:
        path: an empty folder.
        moto: the server behind.
        network: what is there before any machine.
        address: where the flow reaches the cloud; None: the server itself.
    """

    def __init__(self, path: Path, moto: Moto, network: Network, address: str | None = None, **site: Any) -> None:
        self.path, self.moto = path, moto
        self._started: list[subprocess.Popen[str]] = []
        faced = moto if address is None else Moto(address, moto.process)
        path.mkdir(exist_ok=True)
        copy_infra(path / "infra" / "terraform", faced)
        values = {
            "owner": "test",
            "region": REGION,
            "vpc_id": network.vpc_id,
            "subnet_ids": network.subnet_ids,
            "image_id": IMAGE,
            "remote_url": f"s3://{ARTIFACTS}/remote",
            "repository_url": "https://git.example.org/judgeforge.git",
            "prefect_api_url": "https://prefect.example.org/api",
            "state_bucket": STATES,
        }
        self.site = Site.model_validate(values | site)
        (path / "site.json").write_text(self.site.model_dump_json())
        self.variables = faced.environment() | {
            "JUDGEFORGE_SITE": str(path / "site.json"),
            "JUDGEFORGE_TERRAFORM": str(TERRAFORM),
            "TF_CLI_ARGS_init": f"-backend-config={path / 'infra' / 'terraform' / 'backend.hcl'}",
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def start(
        self,
        settings: RunnerParams,
        machines: int = 1,
        ending: str = "normal",
        run: str = RUN,
        before: int = 0,
        **more: Any,
    ) -> "subprocess.Popen[str]":
        """Start a program that raises machines, and then ends as ``ending`` says: normal, error, signal (it waits).

        ``before`` that it raises and ends machines for the same run so many times.
        """
        values = settings.model_dump(mode="json")
        asked = {"settings": values, "run": run, "machines": machines, "ending": ending, "before": before}
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(asked | {"more": {"patience_s": 90.0, "poll_s": 1.0} | more})],
            cwd=self.path,
            env=clean_environment(**self.variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill what a failed test has left: the programs, their guards, and Terraform."""
        for process in self._started:
            process.kill()
        for note in self.path.glob(".judgeforge/machines/*/*.json"):
            if note.name in {"guard.json", "terraform.json"} and (left := find_process(note)):
                end_session(left.pid)

    def run(self, settings: RunnerParams, machines: int = 1, ending: str = "normal", **more: Any) -> tuple[int, str]:
        """Run it to its end; returns its exit status and what it said."""
        process = self.start(settings, machines, ending, **more)
        said, _ = process.communicate(timeout=600)
        return process.returncode, said

    def is_up(self) -> bool:
        """Whether the program has its machines."""
        return (self.path / "up.json").is_file()

    def list_left(self) -> list[str]:
        """What bears the owner's tags in the cloud, and the states that Terraform keeps."""
        from flows.machines.aws import AwsCloud

        before = dict(os.environ)
        os.environ.update(self.moto.environment())
        try:
            cloud = AwsCloud(self.site)
            return [f"{thing.kind} {thing.id}" for thing in cloud.list_things()] + sorted(cloud.list_states())
        finally:
            os.environ.clear()
            os.environ.update(before)

    def list_notes(self) -> list[str]:
        """The runs of which there is a note in the flow's folder."""
        return sorted(path.name for path in (self.path / ".judgeforge" / "machines").glob("*"))


def wait_until(is_so: Callable[[], Any], what: str) -> None:
    """Look until something is so."""
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, f"not within {WAIT_S:.0f} s: {what}"
        time.sleep(0.05)
