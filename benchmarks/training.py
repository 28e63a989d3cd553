"""LoRA training on the real feedback collection: ours against TRL's SFTTrainer and the padded loop of handbooks.

The same rows, model, adapters, batch and cores, each side in a process of its own, turn by turn. ``ratio`` is our
useful tokens a second (of rows whose completion is learnt, without padding) over those of TRL's defaults.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import RESULTS, ROOT, describe_machine, find_commit
from rich.console import Console
from rich.table import Table
from training_side import BATCH, EPOCHS, LENGTH, RANK

from judgeforge.base.fetch import write_base_model
from judgeforge.files import write_json
from judgeforge.params import BaseParams, load_section

COLLECTION = ROOT.parent / "shared" / "collections" / "vicuna_gpt4_feedback.jsonl"
ROWS, ROUNDS = 8, 2
GOAL, SHARE_GOAL = 1.5, 0.6
NAMES = {
    "judgeforge": "judgeforge",
    "trl": f"TRL's SFTTrainer, defaults (max_length {LENGTH})",
    "padded": "padded loop, transformers' Trainer",
    "whole_logits": "judgeforge with the logits of all tokens",
}
ONCE = {"padded", "whole_logits"}
"""Sides that are measured in the first round alone: no goal depends on them, and a round of theirs takes minutes."""


def run_side(side: str, base: Path) -> dict[str, float]:
    """Train once in a process of its own.

    Raises:
        SystemExit: it failed.
    """
    command: list[str | Path] = [
        sys.executable,
        ROOT / "benchmarks" / "training_side.py",
        side,
        base,
        COLLECTION,
        str(ROWS),
    ]
    done = subprocess.run(command, cwd=ROOT / "benchmarks", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{side} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def check_same(results: dict[str, list[dict[str, float]]]) -> None:
    """Check that all sides learnt the same: the mean loss over all epochs, which orders and roundings hardly change.

    Raises:
        SystemExit: they did not.
    """
    losses = {side: runs[0]["loss"] for side, runs in results.items()}
    if max(losses.values()) - min(losses.values()) > 0.05 * min(losses.values()):
        raise SystemExit(f"The sides did not learn the same: mean losses {losses}.")


def main() -> None:
    """Measure, print a table, and write benchmarks/results/training.json."""
    if not COLLECTION.is_file():
        raise SystemExit(f"There is no {COLLECTION}; the benchmark is on the real feedback collection.")
    results: dict[str, list[dict[str, float]]] = {side: [] for side in NAMES}
    with tempfile.TemporaryDirectory(prefix="judgeforge-bench-") as name:
        base = Path(name) / "base"
        base.mkdir()
        write_base_model(load_section("base", BaseParams, ROOT / "params.yaml"), base)
        for number in range(ROUNDS):
            for side in list(NAMES)[:: -1 if number % 2 else 1]:
                if number == 0 or side not in ONCE:
                    results[side].append(run_side(side, base))
                    Console().print(side, results[side][-1])
    check_same(results)
    record = summarise(results)
    record |= {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "commit": find_commit(), "machine": describe_machine()}
    print_table(record)
    write_json(RESULTS / "training.json", record)


def summarise(results: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Take medians, and hold ours against TRL's and against the best product that any run has measured."""
    medians = {side: take_medians(runs) for side, runs in results.items()}
    ceiling = max(run["ceiling_gflops"] for runs in results.values() for run in runs)
    for side, runs in results.items():
        rates = [run["share_of_ceiling"] * run["ceiling_gflops"] for run in runs]
        medians[side] |= {"ceiling_gflops": ceiling, "share_of_ceiling": statistics.median(rates) / ceiling}
    ours, theirs = (medians[side]["tokens_per_second"] for side in ("judgeforge", "trl"))
    share = medians["judgeforge"]["share_of_ceiling"]
    saved = medians["whole_logits"]["peak_gib"] / medians["judgeforge"]["peak_gib"]
    return {
        **{"name": "training", "work": describe_work(), "runs": results, "medians": medians},
        **{"ratio": round(ours / theirs, 3), "goal": GOAL, "goal_met": ours / theirs >= GOAL},
        **{"share_of_ceiling": round(share, 3), "share_goal": SHARE_GOAL, "share_goal_met": share >= SHARE_GOAL},
        **{"memory_saved_by_completion_logits": round(saved, 3), "command": "make bench NAME=training"},
    }


def take_medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure over the runs of one side."""
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def describe_work() -> str:
    """Say what every side does."""
    return f"LoRA rank {RANK} on all layers, bf16, batches of {BATCH}, {ROWS} rows, {EPOCHS - 1} epochs timed"


def print_table(record: dict[str, Any]) -> None:
    """Print the medians."""
    columns = ("side", "tokens/s", "matrix-product ceiling, GFLOP/s", "share of it", "peak memory, GiB", "mean loss")
    note = (
        f"ratio {record['ratio']} of TRL's tokens/s; goal: at least {record['goal']}. "
        f"Share of the ceiling {record['share_of_ceiling']:.0%}; goal: {record['share_goal']:.0%}"
    )
    table = Table(*columns, title=f"training: {record['work']}", caption=note)
    for side, values in record["medians"].items():
        table.add_row(
            *(NAMES[side], f"{values['tokens_per_second']:,.0f}", f"{values['ceiling_gflops']:,.0f}"),
            *(f"{values['share_of_ceiling']:.0%}", f"{values['peak_gib']:.1f}", f"{values['loss']:.3f}"),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
