"""Two hundred scheduled retrainings in a row that find nothing to do: how long each takes, and what grows.

The recipe ``smoke`` in a copy of this project is retrained once; then its deployment's own schedule starts one flow run
after another on a real Prefect server, with PostgreSQL as in infra/compose, and a real worker. Neither
processes, open files, locks nor temporary files may leak, and the databases may grow by so much a run and no more.
Beside it stands a flow that does nothing, which is Prefect's own start.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import sqlalchemy
import tenacity

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from harness import RESULTS, describe_machine, find_commit  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from judgeforge.files import write_json  # noqa: E402
from tests.dvc_calls import list_dvc_calls, watch_dvc  # noqa: E402
from tests.integration.runners.workers import Worker  # noqa: E402
from tests.integration.tracked.servers import find_postgres, running_postgres  # noqa: E402
from tests.prefect_server import PrefectServer  # noqa: E402

RUNS = int(os.environ.get("RUNS", "200"))
BASELINES = 5
EVERY_S = 5
"""Shorter than a run takes, so that one follows the other without a pause."""

BEYOND_START_S = 10.0
MOST_BYTES_A_RUN = {"prefect": 100_000, "mlflow": 0}
_SETTLED = 20  # runs, after which pools and caches of the servers have their size
_EMPTY = "from prefect import flow\n\n\n@flow\ndef empty() -> None:\n    pass\n"


class Installation:
    """A copy of the project, retrained once, with a server and a worker.

    Args:
        folder: of all files.
        database: address of Prefect's: PostgreSQL, as infra/compose has it.
    """

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.path, self._database = folder, folder / "project", database
        self.server = PrefectServer(folder / "prefect", database.replace("psycopg2", "asyncpg"))
        site, counting = watch_dvc(folder)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "JUDGEFORGE_"))}
        self.environment = kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(map(str, (site, self.path / "src", self.path))),
            **counting,
            "DVC_NO_ANALYTICS": "1",
            "DO_NOT_TRACK": "1",
            "TMPDIR": str(folder / "tmp"),
            **self.server.environment(),
        }
        (folder / "tmp").mkdir()
        self.worker: Worker | None = None

    def run(self, *command: str) -> None:
        """Run a command in the copy."""
        done = subprocess.run(command, cwd=self.path, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{command} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")

    def begin(self) -> None:
        """Copy, start the server, register, retrain, and start the worker."""
        self.path.mkdir()
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_bytes((ROOT / name).read_bytes())
        (self.path / "flows" / "empty.py").write_text(_EMPTY)
        self.run("git", "init", "--quiet")
        self.server.start()
        self.run("judgeforge", "recipe", "smoke")
        prefect = ("prefect", "--no-prompt")
        self.run(*prefect, "work-pool", "create", "judgeforge", "--type", "process")
        self.run(*prefect, "deploy", "--name", "weekly")
        self.run(*prefect, "deploy", "flows/empty.py:empty", "--name", "empty", "--pool", "judgeforge")
        self.run("judgeforge", "retrain", "--no-promote")
        self.run("judgeforge", "retrain", "--promote")
        self.worker = Worker("flows", self.path, self.environment, pool="judgeforge")

    def end(self) -> None:
        """End the servers."""
        if self.worker:
            self.worker.stop()
        self.server.stop()

    @tenacity.retry(stop=tenacity.stop_after_delay(120), wait=tenacity.wait_fixed(2), reraise=True)
    def ask(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """Ask Prefect's API."""
        answer = httpx.request(method, f"{self.server.address}/{path}", json=body, timeout=60)
        return answer.raise_for_status().json() if answer.content else None

    def list_ended(self, flow: str) -> list[dict[str, Any]]:
        """List the runs of a flow's deployment that have ended, the first one first."""
        chosen = {
            "flows": {"name": {"any_": [flow]}},
            "flow_runs": {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}, "deployment_id": {}},
            "sort": "START_TIME_ASC",
        }
        found: list[dict[str, Any]] = []
        while page := self.ask("flow_runs/filter", chosen | {"offset": len(found), "limit": 200}):
            found += page
        return [run for run in found if run["deployment_id"]]

    def wait_for(self, flow: str, count: int) -> list[dict[str, Any]]:
        """Wait until so many runs have ended."""
        while len(ended := self.list_ended(flow)) < count:
            time.sleep(1)
        return ended

    def time_run(self, run: dict[str, Any]) -> float:
        """Return the seconds from a worker's taking a run to its end: Python's start and imports are in it."""
        states = self.ask(f"flow_run_states/?flow_run_id={run['id']}", method="GET")
        taken = min(datetime.fromisoformat(each["timestamp"]) for each in states if each["type"] == "PENDING")
        return (datetime.fromisoformat(run["end_time"]) - taken).total_seconds()

    def measure_database(self) -> int:
        """Return the size of Prefect's database, after what was deleted has been freed, in bytes."""
        engine = sqlalchemy.create_engine(self._database, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("VACUUM"))
            found = connection.execute(sqlalchemy.text("SELECT pg_database_size(current_database())")).scalar_one()
        engine.dispose()
        return int(found)

    def look(self) -> dict[str, int]:
        """Count what may leak."""
        servers = [each for each in psutil.process_iter() if _is_below(each, self)]
        return {
            "processes": len(servers),
            "open files": sum(_count_open(each) for each in servers),
            "temporary files": sum(1 for _ in (self.folder / "tmp").rglob("*")),
            "locks": len([path for path in (self.path / ".dvc/tmp").glob("*lock*") if path.read_text().strip("{} \n")]),
            "prefect": self.measure_database(),
            "mlflow": sum(path.stat().st_size for path in self.path.glob("mlflow.db*")),
        }


def _is_below(process: psutil.Process, installation: Installation) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.environ().get("COUNT_DVC") == installation.environment["COUNT_DVC"])
    return False


def _count_open(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.num_fds())
    return 0


def main() -> None:
    """Run them, print the table, and write benchmarks/results/scheduled_runs.json."""
    programs = find_postgres()
    if programs is None:
        raise SystemExit("error: there is no PostgreSQL. Remedy: make setup-postgres.")
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as data:
        Path(data).chmod(0o755)
        with running_postgres(programs, Path(data)) as database:
            made = Installation(Path(name), database)
            try:
                made.begin()
                record = measure(made)
            finally:
                made.end()
    write_json(RESULTS / "scheduled_runs.json", record)
    if not all(record["goals_met"].values()):
        raise SystemExit(f"missed: {[goal for goal, met in record['goals_met'].items() if not met]}")


def measure(made: Installation) -> dict[str, Any]:
    """Time Prefect's own start, then let the schedule run."""
    empty = made.ask("deployments/name/empty/empty", method="GET")["id"]
    for number in range(BASELINES):
        made.ask(f"deployments/{empty}/create_flow_run", {"state": {"type": "SCHEDULED"}})
        made.wait_for("empty", number + 1)
    weekly = made.ask("deployments/name/retrain/weekly", method="GET")["id"]
    (made.folder / "dvc.txt").unlink(missing_ok=True)
    made.ask(f"deployments/{weekly}/schedules", [{"schedule": {"interval": EVERY_S}, "active": True}])
    looks = []
    for count in range(_SETTLED, RUNS + 1, _SETTLED):
        made.wait_for("retrain", count)
        looks.append({"runs": count} | made.look())
        print(looks[-1], flush=True)
    runs = made.list_ended("retrain")[:RUNS]
    for schedule in made.ask(f"deployments/{weekly}/schedules", method="GET"):
        made.ask(f"deployments/{weekly}/schedules/{schedule['id']}", {"active": False}, "PATCH")
    asked = len(list_dvc_calls(made.folder)) / len(made.list_ended("retrain"))
    own = statistics.median(made.time_run(run) for run in made.list_ended("empty"))
    completed = all(run["state_type"] == "COMPLETED" for run in runs)
    return conclude(completed, [made.time_run(run) for run in runs], own, looks, asked)


def conclude(done: bool, seconds: list[float], own: float, looks: list[dict[str, int]], asked: float) -> dict[str, Any]:
    """Print what was found, and hold it against the bounds."""
    first, last = looks[0], looks[-1]
    span = max(last["runs"] - first["runs"], 1)
    growth = {name: (last[name] - first[name]) / span for name in first if name != "runs"}
    table = Table("what", f"after {first['runs']} runs", f"after {last['runs']}", "a run")
    for name, value in growth.items():
        table.add_row(name, str(first[name]), str(last[name]), f"{value:.1f}")
    Console().print(table)
    median = statistics.median(seconds)
    print(json.dumps({"runs": len(seconds), "median_s": median, "empty_s": own, "dvc_a_run": asked}))
    goals = {
        "every run completed": done,
        "within 10 s beyond Prefect's own start": median - own <= BEYOND_START_S,
        "DVC asked once": asked <= 1.05,
        "no leaked process, file or lock": all(
            growth[name] * span < 10 for name in ("processes", "temporary files", "locks")
        )
        and growth["open files"] * span < 50,
        "databases": all(growth[name] <= most for name, most in MOST_BYTES_A_RUN.items()),
    }
    return {
        **{"name": "scheduled_runs", "runs": len(seconds), "median_s": median, "empty_flow_s": own, "dvc_a_run": asked},
        **{"slowest_s": max(seconds), "looks": looks, "growth_a_run": growth, "goals_met": goals},
        **{"command": "make bench NAME=scheduled_runs", "date": datetime.now(UTC).strftime("%Y-%m-%d")},
        **{"commit": find_commit(), "machine": describe_machine()},
    }


if __name__ == "__main__":
    main()
