"""Time two ways of doing the same work, alternating in one run, and keep the figures with what they depend on.

Alternating spreads whatever else the machine does over both sides; the ratio of medians is what is compared. Beside it
stands the ratio of processor time, of this process and the programs that it ran: other work hardly changes that.
"""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from judgeforge.files import write_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True)
class Side:
    """One way of doing the work.

    Args:
        name: who does it.
        run: does it once.
    """

    name: str
    run: Callable[[], object]


def compare(
    name: str, work: str, ours: Side, peer: Side, *, check: Callable[[], None], rounds: int, goal: float
) -> None:
    """Time both sides, print a table, and write benchmarks/results/NAME.json.

    Args:
        name: of the benchmark: its file's.
        work: what both sides do, with its size.
        ours: judgeforge's way.
        peer: somebody else's.
        check: fails if the two did not do the same work; called once both have run.
        rounds: timings of each side, after one that does not count.
        goal: the most that our time may be of the peer's.
    """
    seconds: dict[str, list[float]] = {ours.name: [], peer.name: []}
    busy: dict[str, list[float]] = {ours.name: [], peer.name: []}
    for number in range(rounds + 1):
        for side in (ours, peer) if number % 2 else (peer, ours):
            started, used = time.perf_counter(), _measure_processor()
            side.run()
            if number:
                seconds[side.name].append(round(time.perf_counter() - started, 4))
                busy[side.name].append(round(_measure_processor() - used, 4))
        if number == 0:
            check()
    medians = {side: statistics.median(values) for side, values in seconds.items()}
    ratio = round(medians[ours.name] / medians[peer.name], 3)
    busy_ratio = round(statistics.median(busy[ours.name]) / max(statistics.median(busy[peer.name]), 1e-9), 3)
    note = f"{ratio} of the peer's time ({busy_ratio} of its processor time); goal: at most {goal}"
    _print_table(name, work, seconds, medians, note)
    record = {
        **{"name": name, "work": work, "ours": ours.name, "peer": peer.name, "seconds": seconds, "medians_s": medians},
        **{"processor_seconds": busy, "processor_ratio": busy_ratio},
        **{"ratio": ratio, "goal": goal, "goal_met": ratio <= goal, "command": f"make bench NAME={name}"},
        **{"date": datetime.now(UTC).strftime("%Y-%m-%d"), "commit": find_commit(), "machine": describe_machine()},
    }
    write_json(RESULTS / f"{name}.json", record)


def _measure_processor() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def run_program(*command: str | Path, folder: Path) -> Callable[[], object]:
    """Build a side that runs a program in ``folder``; what it prints is shown only if it fails."""

    def run() -> None:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")

    return run


def find_commit() -> str:
    """Return the commit that is measured, marked where files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unknown"


def describe_machine() -> dict[str, Any]:
    """Describe the machine by what decides speed, not by its name."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = information.read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return {
        **{"cpu": model, "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()},
        **{"system": platform.system(), "python": platform.python_version()},
    }


def _print_table(name: str, work: str, seconds: dict[str, list[float]], medians: dict[str, float], note: str) -> None:
    table = Table("side", "median, s", "fastest", "slowest", title=f"{name}: {work}", caption=note)
    for side, values in seconds.items():
        table.add_row(side, f"{medians[side]:.3f}", f"{min(values):.3f}", f"{max(values):.3f}")
    Console().print(table)
