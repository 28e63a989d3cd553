"""A small project in git with a remote of DVC's, whose stages take their time, and workers in clones elsewhere."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tests.integration.runners.workers import Worker
from tests.prefect_server import PrefectServer

ROOT = Path(__file__).parents[3]
TINY = Path(__file__).with_name("tiny")


class Project:
    """The flow's checkout, and what workers need to have their own.

    Args:
        folder: of everything.
        server: Prefect's.
    """

    def __init__(self, folder: Path, server: PrefectServer) -> None:
        self.folder, self.server = folder, server
        self.path, self.log = folder / "checkout", folder / "stages.log"
        self.workers: list[Worker] = []
        self.began = datetime.now(UTC).isoformat()
        self.log.touch()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "JUDGEFORGE_"))}
        self.environment = kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            "SLOW_STAGE_LOG": str(self.log),
            "DVC_NO_ANALYTICS": "1",
            "DO_NOT_TRACK": "1",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            **server.environment(),
        }
        self.set_pace({})

    def set_pace(self, pace: dict[str, Any]) -> None:
        (self.folder / "pace.json").write_text(json.dumps(pace))

    def run(self, *command: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            command, cwd=cwd or self.path, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def add_worker(self, name: str) -> Worker:
        checkout = self.folder / name
        if not checkout.exists():
            self.run("git", "clone", "--quiet", str(self.path), str(checkout))
            remote = str(self.folder / "remote")
            self.run(sys.executable, "-m", "dvc", "remote", "add", "--local", "-d", "storage", remote, cwd=checkout)
        worker = Worker(name, checkout, self.environment)
        self.workers.append(worker)
        return worker

    def start_flow(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", FLOW],
            cwd=self.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def stop(self) -> None:
        for worker in self.workers:
            worker.stop()

    def read_steps(self) -> list[tuple[str, str, str]]:
        """Return (stage, what, folder) for everything that stages did, in order."""
        rows = [line.split() for line in self.log.read_text().splitlines()]
        return [(row[0], row[1], row[3]) for row in rows]


FLOW = """
# Everything of a retraining but its registration: the small stages make no judge.
import signal
from flows.commands import ending_commands  # before Prefect: flows set its heartbeats
from prefect import flow
from flows.pipeline import find_stale_stages, load_graph, select_stages
from flows.placing import check_places
from flows.remote.running import Order
from flows.retrain import run_stages
from flows.workspace import workspace_lock
from judgeforge.params import load_params
from judgeforge.stage import run_program

@flow(name="retrain")
def stages_alone():
    params = load_params()
    check_places(params.runner)
    with workspace_lock() as lock, ending_commands():
        graph = load_graph()
        run_stages(select_stages(graph, find_stale_stages()), Order(params, graph, None), 2, lock)

signal.signal(signal.SIGINT, signal.default_int_handler)
run_program(stages_alone)
"""


def write_params(project: Path, **runner: Any) -> None:
    """Write params.yaml, with a model of the project's own: tests share a server, which keeps progress by its name."""
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["runner"] |= {"provider": "standing", "stages": ["train"], "lost_after_s": 90, "sync_every_s": 2} | runner
    document["promote"]["model_name"] = name_model(project)
    (project / "params.yaml").write_text(yaml.safe_dump(document))


def name_model(project: Path) -> str:
    return f"judge-{project.parent.name.replace('_', '-')[-40:]}"


def make_project(folder: Path, server: PrefectServer) -> Project:
    """Make one in an empty folder, and register its deployment."""
    made = Project(folder, server)
    made.path.mkdir()
    shutil.copytree(ROOT / "flows", made.path / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TINY / "slow_stage.py", made.path)
    shutil.copy(TINY / "slow_pipeline.yaml", made.path / "dvc.yaml")
    shutil.copy(ROOT / "prefect.yaml", made.path)
    (made.path / "source.txt").write_text(f"{folder}\n")
    (made.path / ".gitignore").write_text("__pycache__/\n.judgeforge/\n/data/\n/models/\n")
    (made.path / ".dvcignore").write_text(".judgeforge\n__pycache__\n")
    write_params(made.path)
    made.run("git", "init", "--quiet", "--initial-branch", "main")
    for name, value in (("user.email", "test@example.invalid"), ("user.name", "test")):
        made.run("git", "config", name, value)
    dvc = (sys.executable, "-m", "dvc")
    made.run(*dvc, "init", "--quiet")
    made.run(*dvc, "remote", "add", "--local", "-d", "storage", str(folder / "remote"))
    made.run("git", "add", "-A")
    made.run("git", "commit", "--quiet", "-m", "Begin")
    prefect = (sys.executable, "-m", "prefect", "--no-prompt")
    made.run(*prefect, "work-pool", "create", "judgeforge-gpu", "--type", "process", "--overwrite")
    made.run(*prefect, "deploy", "--name", "judgeforge-gpu")
    return made
