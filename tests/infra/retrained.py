"""A whole installation on one machine: Prefect, MLflow, AWS as moto plays it, a flow's checkout, and machines."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from flow_runs import ENDED, FlowRuns
from front import Front
from played import PlayedMachines, find_processes
from raised import Folder
from rented import ARTIFACTS, ROOT, Moto
from rented import Site as Network

from tests.integration.runners.workers import Worker
from tests.integration.tracked.servers import Server as MlflowServer
from tests.prefect_server import PrefectServer

GRADED = Path(__file__).with_name("graded")
MODEL = "judgeforge-judge"
RUNNER = {
    "provider": "aws",
    "stages": ["train", "evaluate"],
    "workers": 2,
    "machines": [{"type": "g6.xlarge", "hourly_usd": 1.0}, {"type": "g5.xlarge", "hourly_usd": 2.0}],
    "spot": True,
    "max_life_minutes": 120,
    "start_minutes": 3,
    "lost_after_s": 90,
    "sync_every_s": 2,
    "max_usd": 20.0,
}
_BLOCK = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock
data = {"subject": "{{subject}}", "body": "{{body}}"}
CustomWebhookNotificationBlock(name="ops", url=sys.argv[1], json_data=data).save("ops")
"""


class Installation(FlowRuns):
    """Everything that a retraining on machines needs, with the project in git and workers for its flows.

    Args:
        folder: of all files.
        moto: plays the cloud.
        network: that machines are raised in.
        front: what the flow reaches the cloud by, so that a test may cut it.
        webhook: address that people are told at.
    """

    def __init__(self, folder: Path, moto: Moto, network: Network, front: Front, webhook: str) -> None:
        self._webhook = webhook
        self.folder, self.moto, self.front = folder, moto, front
        self.prefect = PrefectServer(folder / "prefect")
        (folder / "mlflow").mkdir()
        self.mlflow = MlflowServer(folder / "mlflow")
        self.log, self.checkout, self.origin = folder / "stages.log", folder / "checkout", folder / "origin"
        self.log.touch()
        self.prefect.start()
        self.mlflow.start()
        site = {
            "environment": {"MLFLOW_TRACKING_URI": self.mlflow.address, "STAGE_LOG": str(self.log)},
            "repository_url": f"file://{self.origin}",
            "prefect_api_url": self.prefect.address,
        }
        self.cloud = Folder(folder / "site", moto, network, front.address, **site)
        self.environment = (
            self._clean_environment()
            | self.cloud.variables
            | {
                **self.prefect.environment(),
                "MLFLOW_TRACKING_URI": self.mlflow.address,
                "STAGE_LOG": str(self.log),
                "JUDGEFORGE_NOTIFY_BLOCKS": "custom-webhook/ops",
                "PYTHONPATH": f"{self.checkout / 'src'}{os.pathsep}{self.checkout}",
            }
        )
        self.machines = PlayedMachines(moto, folder / "machines", self._clean_environment() | moto.environment())
        self.worker: Worker | None = None
        self.told: list[dict[str, Any]] = []

    @staticmethod
    def _clean_environment() -> dict[str, str]:
        foreign = ("MLFLOW_", "PREFECT_", "JUDGEFORGE_", "AWS_", "TF_", "PYTHONPATH")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "DO_NOT_TRACK": "1",
            "HF_HUB_OFFLINE": "1",
        }

    def run(self, *command: str, cwd: Path | None = None, code: int | None = 0) -> str:
        done = subprocess.run(
            command, cwd=cwd or self.checkout, env=self.environment, capture_output=True, text=True, check=False
        )
        assert code is None or done.returncode == code, (command, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout + done.stderr

    def make_project(self, recipe: str | None) -> None:
        """Copy this project into a git repository, clone it for the flow, and register its deployments.

        Args:
            recipe: of the project's own stages; None: they are the small graded ones.
        """
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file() and not name.startswith("infra/terraform/"):
                (self.origin / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, self.origin / name)
        shutil.copytree(self.cloud.path / "infra/terraform", self.origin / "infra/terraform")
        ignored = (self.origin / ".gitignore").read_text().replace("*_override.tf", "")
        (self.origin / ".gitignore").write_text(ignored)
        if recipe:
            self.run("judgeforge", "recipe", recipe, cwd=self.origin)
        params = yaml.safe_load((self.origin / "params.yaml").read_text())
        if not recipe:
            shutil.copy(GRADED / "graded_stage.py", self.origin / "src/judgeforge")
            shutil.copy(GRADED / "graded_pipeline.yaml", self.origin / "dvc.yaml")
            (self.origin / "quality.txt").write_text("3\n")
            params["promote"]["primary"] = ["d/pearson"]
        params["runner"] |= RUNNER
        (self.origin / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        git = ("git", "-c", "user.email=test@example.invalid", "-c", "user.name=test")
        self.run("git", "init", "--quiet", "--initial-branch", "main", cwd=self.origin)
        self.run("git", "add", "-A", cwd=self.origin)
        self.run(*git, "commit", "--quiet", "-m", "Begin", cwd=self.origin)
        self.run("git", "clone", "--quiet", str(self.origin), str(self.checkout), cwd=self.folder)
        self.run("dvc", "remote", "add", "--local", "-d", "storage", f"s3://{ARTIFACTS}/remote")
        for pool in ("judgeforge", "judgeforge-gpu"):
            self.run("prefect", "--no-prompt", "work-pool", "create", pool, "--type", "process")
        self.run("prefect", "--no-prompt", "deploy", "--all")
        self.run(sys.executable, "-c", _BLOCK, self._webhook)
        self.start_worker()

    def change_data(self, quality: int) -> None:
        """Put other data into the project: the higher the number, the better the judge that they make."""
        (self.origin / "quality.txt").write_text(f"{quality}\n")
        git = ("git", "-c", "user.email=test@example.invalid", "-c", "user.name=test")
        self.run(*git, "commit", "--quiet", "-am", f"Data {quality}", cwd=self.origin)
        self.run("git", "pull", "--quiet", "--ff-only")
        self.log.write_text("")

    def set_pace(self, steps: int, step_s: float) -> None:
        pace = {f"train-{name}": {"steps": steps, "step_s": step_s} for name in ("direct", "pairwise")}
        (self.folder / "pace.json").write_text(json.dumps(pace))

    def start_worker(self) -> None:
        """Start what runs the flows themselves, as on an operator's machine."""
        self.worker = Worker("flows", self.checkout, self.environment, pool="judgeforge")

    def stop(self) -> None:
        if self.worker:
            self.worker.stop()
        self.cloud.end()
        self.prefect.stop()
        self.mlflow.stop()

    def retrain(self) -> str:
        """Start the weekly retraining by hand, as its schedule would; returns the flow run's id."""
        return self.start_flow("retrain/weekly")

    def find_flow(self, run: str) -> list[int]:
        """Return the processes in which a flow run is at work here."""
        import psutil

        return [
            process.pid
            for process in psutil.process_iter(["environ"])
            if (process.info["environ"] or {}).get("PREFECT__FLOW_RUN_ID") == run
            and "JUDGEFORGE_MACHINE" not in process.info["environ"]
            and "judgeforge.machines.guard" not in " ".join(process.cmdline())
        ]

    def kill_flow(self, run: str) -> None:
        """Kill the flow's own process, with no warning: not its guard, which is there for this."""
        import psutil

        for pid in self.find_flow(run):
            if "prefect" in " ".join(psutil.Process(pid).cmdline()):
                os.kill(pid, signal.SIGKILL)

    def count(self, stage: str) -> Counter[str]:
        """Return how often each step of a training was computed."""
        rows = [line.split() for line in self.log.read_text().splitlines()]
        return Counter(row[1] for row in rows if row[0] == stage and row[1].isdigit())

    def count_runs(self) -> Counter[str]:
        """Return how often each stage was begun."""
        return Counter(line.split()[0] for line in self.log.read_text().splitlines() if line.split()[1] == "begins")

    def read_champion(self) -> int | None:
        from mlflow import MlflowClient

        aliases = MlflowClient(self.mlflow.address).get_registered_model(MODEL).aliases
        return int(aliases["champion"]) if "champion" in aliases else None

    def list_left(self) -> list[str]:
        """Return whatever is still running or rented: things in the cloud, states, flow runs, processes of machines.

        The flow ``heal``, which Prefect starts when a run dies, is no run's: it listens for minutes, and ends.
        """
        heal = self.prefect.ask("deployments/name/heal/lost-runs")["id"]
        alive = self.prefect.ask("flow_runs/filter", {"flow_runs": {"state": {"type": {"not_any_": list(ENDED)}}}})
        own = [run for run in alive if not run["auto_scheduled"] and run["deployment_id"] != heal]
        runs = [f"flow run {run['name']}" for run in own]
        processes = [f"process {pid}" for machine in list(self.machines.processes) for pid in find_processes(machine)]
        return [*self.cloud.list_left(), *runs, *processes]

    def describe(self) -> str:
        worker = self.worker.read_log()[-6000:] if self.worker else ""
        return f"{worker}\n{self.machines.read_logs()}\n{self.log.read_text()[-1500:]}"
