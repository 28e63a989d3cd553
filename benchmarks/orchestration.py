"""What does it add to a stage that a flow runs it, here or on a worker? Against ``dvc repro`` of it by hand.

A real Prefect server, a worker in a clone of its own, a folder as DVC's remote. The stage has nothing to do, so that
the difference is what orchestration costs; a stage's length does not change it. The share is that of ten minutes.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from harness import RESULTS, describe_machine, find_commit  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from judgeforge.files import write_json  # noqa: E402
from tests.integration.runners.projects import Project, make_project, write_params  # noqa: E402
from tests.prefect_server import PrefectServer  # noqa: E402

ROUNDS = 5
GOAL = 0.02
TEN_MINUTES_S = 600.0
TIMED = """
# One stage as the flow runs it, timed inside the flow: Prefect's own start is no part of a stage.
import sys, time
from flows.commands import ending_commands
from prefect import flow
from flows.pipeline import load_graph
from flows.remote.running import Order
from flows.retrain import run_stages
from flows.workspace import workspace_lock
from judgeforge.params import load_params

@flow(name="retrain")
def one_stage():
    params = load_params()
    with workspace_lock() as lock, ending_commands():
        graph = {"train@direct": set()}
        started = time.perf_counter()
        run_stages(graph, Order(params, load_graph(), None), 1, lock)
        print("took", time.perf_counter() - started)

one_stage()
"""


def main() -> None:
    """Measure, print a table, and write benchmarks/results/orchestration.json."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = PrefectServer(folder / "prefect")
        (folder / "work").mkdir()
        server.start()
        project = make_project(folder / "work", server)
        try:
            seconds = measure(project)
        finally:
            project.stop()
            server.stop()
    medians = {side: statistics.median(values) for side, values in seconds.items()}
    added = {side: round(medians[side] - medians["by hand"], 2) for side in ("here", "on a worker")}
    shares = {side: round(value / TEN_MINUTES_S, 4) for side, value in added.items()}
    table = Table("side", "median, s", "added, s", "of ten minutes", title="a stage with nothing to do")
    for side, value in medians.items():
        share = f"{shares[side]:.2%}" if side in shares else ""
        table.add_row(side, f"{value:.2f}", f"{added.get(side, 0):.2f}", share)
    Console().print(table)
    record: dict[str, Any] = {
        **{"name": "orchestration", "seconds": seconds, "added_s": added, "share_of_ten_minutes": shares},
        **{"goal": GOAL, "goal_met": {side: share < GOAL for side, share in shares.items()}},
        **{"command": "make bench NAME=orchestration", "date": datetime.now(UTC).strftime("%Y-%m-%d")},
        **{"commit": find_commit(), "machine": describe_machine()},
    }
    write_json(RESULTS / "orchestration.json", record)


def measure(project: Project) -> dict[str, list[float]]:
    """Time each way in turn, each time on other data, so that nothing is in a cache."""
    project.set_pace({"train-direct": {"steps": 0, "step_s": 0.0}})
    project.add_worker("worker")
    sides: dict[str, Callable[[], float]] = {
        "by hand": lambda: time_by_hand(project),
        "here": lambda: time_in_flow(project, "none"),
        "on a worker": lambda: time_in_flow(project, "standing"),
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(ROUNDS + 1):
        for side, run in sides.items():
            (project.path / "source.txt").write_text(f"{number} {side}\n")
            project.run("git", "commit", "--quiet", "-am", f"{number} {side}")
            project.run(sys.executable, "-m", "dvc", "repro", "--quiet", "prepare")
            took = run()
            if number:
                seconds[side].append(round(took, 3))
    return seconds


def time_by_hand(project: Project) -> float:
    """Time ``dvc repro`` of the stage."""
    started = time.perf_counter()
    project.run(sys.executable, "-m", "dvc", "repro", "--quiet", "--single-item", "train@direct")
    return time.perf_counter() - started


def time_in_flow(project: Project, provider: str) -> float:
    """Time the stage in a flow, at its place."""
    write_params(project.path, provider=provider)
    done = subprocess.run(
        [sys.executable, "-c", TIMED],
        cwd=project.path,
        env=project.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("took ")]
    if done.returncode or not found:
        raise SystemExit(f"the flow failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return float(found[0])


if __name__ == "__main__":
    main()
