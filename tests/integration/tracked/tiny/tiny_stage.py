"""A stage of the tiny project: notes that it ran, obeys an order to fail or to wait, and writes its outputs.

Usage: python tiny_stage.py NAME OUT...
An order is a file ``order-NAME``: ``exit 75 once``, ``kill once``, ``sleep 60``.
"""

import json
import os
import sys
import time
from pathlib import Path

from judgeforge.grading.templates import load_template, write_template
from judgeforge.params import EvaluateParams, load_section
from tests.evaluations import build_rows, write_rows

name, outs = sys.argv[1], [Path(each) for each in sys.argv[2:]]
with Path("ran.txt").open("a") as log:
    log.write(f"{name} {os.getpid()} {os.environ.get('JUDGEFORGE_PARENT_RUN_ID', '')}\n")
order = Path(f"order-{name}")
if order.is_file():
    verb, *rest = order.read_text().split()
    if "once" in rest:
        order.unlink()
    if verb == "exit":
        print(f"error: {name} found a wrong thing. Remedy: put it right.", file=sys.stderr)
        sys.exit(int(rest[0]))
    if verb == "kill":
        os.kill(os.getpid(), 9)
    if verb == "sleep":
        time.sleep(float(rest[0]))
params = Path("params.yaml").read_text()
for out in outs:
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.name == "metrics.json":
        figure = 0.9 if "alpha: 0.5" in params else 0.95  # for the record alone: the gate looks at verdicts
        found = json.loads(Path("evaluation/merged/metrics.json").read_text())["benchmarks"]
        found["d"]["metrics"]["pearson"]["value"] = figure
        entry = {"embedded_direct": found["d"], "embedded_pairwise": found["p"]}
        out.write_text(json.dumps({"merged": entry, "differences": {}}))
    elif out.suffix:
        out.write_text(f"{name}\n")
    else:
        out.mkdir(exist_ok=True)
        (out / "weights.txt").write_text(f"{name} {params if name in ('merge', 'evaluate-merged') else ''}\n")
        if name.startswith("evaluate"):
            wrong = range(0, 120, 3) if "alpha: 0.5" in params else range(0, 120, 12)
            write_rows(out, build_rows("merged", wrong), load_section("evaluate", EvaluateParams))
        if name == "merge":
            write_template(load_template("judgeforge-1"), out)
