"""A stage that takes its time step by step, with sealed checkpoints, and tells a file outside which steps it computed.

Usage: python slow_stage.py NAME OUT [--checkpoints FOLDER]
params.yaml is the project's own; how many steps there are and how long each takes stands in pace.json, which is not
among the stage's dependencies.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from judgeforge.errors import InputError
from judgeforge.stage import exit_with_message, refuse_to_compute

refuse_to_compute()
name, out = sys.argv[1], Path(sys.argv[2])
log = Path(os.environ["SLOW_STAGE_LOG"])
pace = json.loads(log.with_name("pace.json").read_text()).get(name, {"steps": 1, "step_s": 0.0})


def note(what: object) -> None:
    with log.open("a") as handle:
        handle.write(f"{name} {what} {os.getpid()} {Path.cwd()} {time.time():.3f}\n")


def seal_and_leave(*_: object) -> None:
    note("interrupted")
    sys.stderr.write("error: A signal ended it. Remedy: run again.\n")
    os._exit(75)


signal.signal(signal.SIGTERM, seal_and_leave)
note("begins")
if pace.get("error"):
    exit_with_message(InputError(pace["error"], "put it right."))
if "beside" in pace:  # ends only if another stage is at work at the same time
    deadline = time.monotonic() + 180
    while f"{pace['beside']} begins" not in log.read_text():
        if time.monotonic() > deadline:
            sys.exit(f"{pace['beside']} did not begin")
        time.sleep(0.1)
done = 0
if "--checkpoints" in sys.argv:
    folder = Path(sys.argv[sys.argv.index("--checkpoints") + 1]) / "key"
    done = max((int(path.parent.name.split("-")[1]) for path in folder.glob("checkpoint-*/COMPLETE")), default=0)
    if done:
        note(f"resumes-at-{done}")
for step in range(done + 1, pace["steps"] + 1):
    time.sleep(pace["step_s"])
    note(step)
    if "--checkpoints" in sys.argv:
        checkpoint = folder / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True, exist_ok=True)
        (checkpoint / "state.txt").write_text(f"{step}\n")
        (checkpoint / "COMPLETE").write_text("{}")
out.mkdir(parents=True)
inputs = sorted(path for path in Path("data").rglob("*.txt")) + sorted(Path("models").rglob("weights.txt"))
text = "".join(path.read_text() for path in [Path("source.txt"), *inputs] if out not in path.parents)
seen = hashlib.sha256(text.encode()).hexdigest()
(out / "weights.txt").write_text(f"{name} of {pace['steps']} steps on {seen}\n")
note("ends")
