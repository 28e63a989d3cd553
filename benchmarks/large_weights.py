"""Registering and fetching a judge of gigabytes: by upload, by reference, and by MLflow's own log_model(artifacts=...).

MLflow's server, its store and DVC's remote are on this machine, so that the whole disk can be watched: how much a side
adds to it at most while it works, and for good. Every side is a cold process.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from harness import RESULTS, ROOT, describe_machine, find_commit
from rich.console import Console
from rich.table import Table

from judgeforge.base.miniature import build_miniature
from judgeforge.files import write_json
from judgeforge.grading.templates import load_template, write_template

GOALS = {"upload_peak_copies": 1.1, "reference_peak_copies": 1.1, "reference_in_store_copies": 0.01}
_PIECE = 1 << 24
_START = """
import os
from pathlib import Path
from judgeforge.params import load_params
from judgeforge.promote.evidence import Evidence
from judgeforge.promote.fetching import fetch_version
from judgeforge.promote.registry import Registry
params, kept = load_params(), Path("kept")
evidence = Evidence(judge="merged", model=Path("judge"), base=None, metrics=kept / "metrics.json",
                    page=kept / "report.html", verdicts=kept / "verdicts")
def register(weights):
    values = params.promote.model_copy(update={"weights": weights, "model_name": weights})
    return Registry(weights).register(evidence, values, params.evaluate)
"""
_FETCH = """
version = Registry({name!r}).find_alias("challenger")
fetch_version(version)
"""
_PEER = """
import mlflow
from judgeforge.promote import packaging
from judgeforge.tracking.store import prepare_mlflow
prepare_mlflow()
with mlflow.start_run():
    mlflow.pyfunc.log_model(name="judge", python_model=str(packaging._MODEL_SCRIPT), artifacts={"judge": "judge"},
                            pip_requirements=["judgeforge"])
"""
SIDES = {
    "log_model(artifacts=...)": _PEER,
    "upload": 'register("upload")',
    "upload, fetched": _FETCH.format(name="upload"),
    "reference": 'register("reference")',
    "reference, from DVC's cache": _FETCH.format(name="reference"),
    "reference, from the remote": _FETCH.format(name="reference"),
}


def write_judge(folder: Path, gigabytes: float) -> None:
    """Write a miniature judge and beside it one file of random weights."""
    folder.mkdir()
    build_miniature(folder, "float32", seed=1)
    write_template(load_template("judgeforge-1"), folder)
    with (folder / "more.safetensors").open("wb") as handle:
        for _ in range(round(gigabytes * 1e9 / _PIECE)):
            handle.write(os.urandom(_PIECE))


def measure_disk(folder: Path) -> int:
    """Return the bytes on the disk of all files below a folder, each once, however many names it has."""
    found: dict[int, int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # a passing one
                stat = Path(place, name).lstat()
                found[stat.st_ino] = stat.st_blocks * 512
    return sum(found.values())


@contextmanager
def start_server(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run ``mlflow server`` over SQLite and a folder; gives its address."""
    folder.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts"]
    command = [sys.executable, "-m", "mlflow", "server", *options, "--workers", "1", "--port", str(port)]
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{address}/health", timeout=1).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(running.pid, 9)
        running.wait()


def run_side(side: str, folder: Path, environment: dict[str, str], size: int) -> dict[str, float]:
    """Run one side; return seconds, and how many copies of the judge it added to the disk: at most, and for good.

    Raises:
        SystemExit: it failed.
    """
    before, most, over = measure_disk(folder), 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.05):
            most = max(most, measure_disk(folder))

    code = SIDES[side] if "log_model" in side else _START + SIDES[side]
    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, cwd=folder / "work", env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    over.set()
    watcher.join()
    if done.returncode != 0:
        raise SystemExit(f"{side} failed:\n{done.stderr[-3000:]}")
    after = measure_disk(folder)
    copies = {"peak_copies": (max(most, after) - before) / size, "left_copies": (after - before) / size}
    return {"seconds": round(seconds, 1)} | {name: round(value, 3) for name, value in copies.items()}


def run_all(folder: Path, gigabytes: float) -> dict[str, dict[str, float]]:
    """Measure every side in ``folder``, and remove what is not needed any more."""
    work, kept = folder / "work", folder / "work/kept"
    for place in (folder / "tmp", kept / "verdicts"):
        place.mkdir(parents=True)
    write_judge(work / "judge", gigabytes)
    for name in ("metrics.json", "report.html", "verdicts/metrics.json"):
        (kept / name).write_text("{}")
    shutil.copy(ROOT / "params.yaml", work)
    size = measure_disk(work / "judge")
    environment = os.environ | {"TMPDIR": str(folder / "tmp"), "MLFLOW_DISABLE_TELEMETRY": "true"}
    # DVC's cache and the judge's folder share the disk: a cache of its own would change no figure.
    remote = f"remote add -d store {folder}/remote"
    setting_up = ("init --no-scm -q", "config cache.type hardlink", remote, "add -q judge")
    for words in setting_up:
        subprocess.run([sys.executable, "-m", "dvc", *words.split()], cwd=work, env=environment, check=True)
    found: dict[str, dict[str, float]] = {}
    for sides in (list(SIDES)[:1], list(SIDES)[1:3], list(SIDES)[3:]):
        with start_server(folder / "server", environment) as address:
            environment["MLFLOW_TRACKING_URI"] = address
            for side in sides:
                if side.endswith("remote"):
                    shutil.rmtree(work / ".dvc")
                    shutil.rmtree(work / ".judgeforge")
                found[side] = run_side(side, folder, environment, size)
                Console(stderr=True).print(side, found[side])
            if sides[-1].startswith("reference"):
                found["reference"]["store_copies"] = round(measure_disk(folder / "server/artifacts") / size, 5)
        shutil.rmtree(folder / "server")
        shutil.rmtree(work / ".judgeforge", ignore_errors=True)
    return found


def main() -> None:
    """Measure, print a table, and write benchmarks/results/large_weights.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--to", type=Path, default=RESULTS / "large_weights.json")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="judgeforge-bench-") as name:
        sides = run_all(Path(name), asked.gigabytes)
    figures = {
        "upload_peak_copies": sides["upload"]["peak_copies"],
        "reference_peak_copies": sides["reference"]["peak_copies"],
        "reference_in_store_copies": sides["reference"]["store_copies"],
    }
    record: dict[str, Any] = {
        "name": "large_weights",
        "work": f"a judge of {asked.gigabytes:g} GB in one file, MLflow's server and DVC's remote on this machine",
        "sides": sides,
        "goals": GOALS,
        "command": f"python benchmarks/large_weights.py --gigabytes {asked.gigabytes:g}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": find_commit(),
        "machine": describe_machine(),
    }
    table = Table("side", "s", "copies at most", "copies left", title=record["work"])
    for side, each in sides.items():
        table.add_row(side, *(f"{each[name]:.2f}" for name in ("seconds", "peak_copies", "left_copies")))
    Console().print(table)
    write_json(asked.to, record | figures)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
