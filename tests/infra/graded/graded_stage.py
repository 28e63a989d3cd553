"""A stage of a small project whose judge can be registered and promoted, in seconds.

Usage: python -m judgeforge.graded_stage NAME OUT... [--checkpoints FOLDER]
It is copied into the package, for that is what a machine's watchdog knows stages by. Training goes step by step, with
sealed checkpoints. How many steps there are and how long each takes stands in pace.json, outside, as does the log of
what was computed; quality.txt says how good a judge the data make.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from judgeforge.grading.templates import load_template, write_template
from judgeforge.params import EvaluateParams, load_section
from judgeforge.stage import refuse_to_compute
from tests.evaluations import build_rows, write_rows

LOG = Path(os.environ["STAGE_LOG"])


def note(name: str, what: object) -> None:
    machine = os.environ.get("JUDGEFORGE_MACHINE", "flow")
    with LOG.open("a") as handle:
        handle.write(f"{name} {what} {machine} {time.time():.3f}\n")


def train(name: str, folder: Path) -> None:
    """Take the steps that no checkpoint holds yet."""
    pace = json.loads(LOG.with_name("pace.json").read_text())[name]
    done = max((int(path.parent.name.split("-")[1]) for path in folder.glob("checkpoint-*/COMPLETE")), default=0)
    if done:
        note(name, f"resumes-at-{done}")
    for step in range(done + 1, pace["steps"] + 1):
        time.sleep(pace["step_s"])
        checkpoint = folder / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "state.txt").write_text(f"{step}\n")
        (checkpoint / "COMPLETE").write_text("{}")
        note(name, step)


def write_out(name: str, out: Path, inputs: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.name == "metrics.json":
        found = json.loads(Path("evaluation/merged/metrics.json").read_text())["benchmarks"]
        entry = {"embedded_direct": found["d"], "embedded_pairwise": found["p"]}
        out.write_text(json.dumps({"merged": entry, "differences": {}}))
        return
    if out.suffix:
        out.write_text(f"{name}\n")
        return
    out.mkdir()
    (out / "weights.txt").write_text(f"{name} {hashlib.sha256(inputs.encode()).hexdigest()}\n")
    if name == "prepare":
        (out / "quality.txt").write_text(Path("quality.txt").read_text())
    if name == "evaluate-merged":
        wrong = range(0, 120, int(Path("data/train/quality.txt").read_text()))
        write_rows(out, build_rows("merged", wrong), load_section("evaluate", EvaluateParams))
    if name == "merge":
        write_template(load_template("judgeforge-1"), out)


def leave(*_: Any) -> None:
    note(NAME, "interrupted")
    sys.stderr.write("error: A signal ended it. Remedy: run again.\n")
    os._exit(75)


refuse_to_compute()
signal.signal(signal.SIGTERM, leave)
NAME, *REST = sys.argv[1:]
note(NAME, "begins")
CHECKPOINTS = REST.index("--checkpoints") if "--checkpoints" in REST else len(REST)
NEEDED = [path for pattern in ("data/train/*.txt", "models/*/weights.txt") for path in sorted(Path().glob(pattern))]
TEXT = Path("quality.txt").read_text() + "".join(path.read_text() for path in NEEDED)
if len(REST) > CHECKPOINTS:
    train(NAME, Path(REST[CHECKPOINTS + 1]) / hashlib.sha256(TEXT.encode()).hexdigest()[:8])
for each in REST[:CHECKPOINTS]:
    write_out(NAME, Path(each), TEXT)
note(NAME, "ends")
