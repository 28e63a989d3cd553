"""The memory estimate of a run beside the run's peak, on the real feedback collection; no peer, and no goal of speed.

Each case trains the longest rows for three updates in a process of its own, so that the largest step is among them.
"""

import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import RESULTS, ROOT, describe_machine, find_commit
from rich.console import Console
from rich.table import Table
from training import COLLECTION
from training_side import LENGTH, Silent, load_conversations

from judgeforge.base.fetch import write_base_model
from judgeforge.files import write_json
from judgeforge.params import BaseParams, TrainParams, load_section
from judgeforge.train.fitting import choose_spread, measure_step
from judgeforge.train.job import Job
from judgeforge.train.live import measure_peak_memory
from judgeforge.train.memory import estimate_memory
from judgeforge.train.model import load_tokenizer
from judgeforge.train.run import build_trainer
from judgeforge.train.skeleton import load_skeleton
from judgeforge.train.tokens import TokenRows, tokenize_examples

UPDATES, DRAWN = 3, 200
CASES: dict[str, dict[str, Any]] = {
    "lora, bf16, 20 layers, 1 row": {"rows": 1, "layers": 20},
    "lora, bf16, 20 layers, 4 rows": {"rows": 4, "layers": 20},
    "lora, bf16, 4 rows": {"rows": 4},
    "lora with dropout, bf16, 2 rows": {"rows": 2, "dropout": 0.1},
    "lora, fp32, 20 layers, 2 rows": {"rows": 2, "layers": 20, "dtype": "float32"},
    "lora, bf16, 4 rows, checkpointing": {"rows": 4, "gradient_checkpointing": True},
    "full, bf16, 2 rows": {"rows": 2, "method": "full"},
    "full, fp32, 1 row": {"rows": 1, "method": "full", "dtype": "float32"},
    "full, fp32, 2 rows, checkpointing": {
        **{"rows": 2, "method": "full", "dtype": "float32", "gradient_checkpointing": True}
    },
}


def choose_params(case: dict[str, Any]) -> TrainParams:
    """Take the demo's values, but for the case's."""
    values = dict(case)
    rows, layers, dropout = values.pop("rows"), values.pop("layers", None), values.pop("dropout", 0.0)
    params = load_section("train", TrainParams, ROOT / "params.yaml")
    lora = params.lora.model_copy(update={"last_layers": layers, "dropout": dropout})
    values |= {"lora": lora, "batch_size": rows, "gradient_accumulation": 1, "epochs": 1, "cpu_threads": None}
    return params.model_copy(update=values | {"checkpoint_every_steps": 10**6})


def measure_case(name: str, base: Path) -> None:
    """Train one case, and print estimate and peak in GB as JSON."""
    params, tokenizer = choose_params(CASES[name]), load_tokenizer(base)
    drawn = load_conversations(COLLECTION, DRAWN)
    lengths = TokenRows(*tokenize_examples(drawn, tokenizer, LENGTH)).lengths
    longest = sorted(range(len(drawn)), key=lambda index: lengths[index])[-UPDATES * params.batch_size :]
    rows = TokenRows(*tokenize_examples([drawn[index] for index in longest], tokenizer, LENGTH))
    nothing, nowhere = TokenRows(*tokenize_examples([], tokenizer, LENGTH)), Path("/nonexistent")
    estimate = estimate_memory(
        load_skeleton(base, params), params, measure_step(rows, params), choose_spread(params.distribution)
    )
    job = Job("direct", nowhere, base, nowhere, nowhere, nowhere)
    trainer, _ = build_trainer(params, job, rows, nothing, tokenizer, nowhere, Silent())
    trainer.args.save_strategy = "no"
    trainer.train()
    print(json.dumps({"estimate_gb": estimate.total / 1e9, "peak_gb": measure_peak_memory() * 2**30 / 1e9}))


def main() -> None:
    """Measure every case, print a table, and write benchmarks/results/memory.json."""
    if not COLLECTION.is_file():
        raise SystemExit(f"There is no {COLLECTION}; the benchmark is on the real feedback collection.")
    table = Table(
        "run", "estimate, GB", "peak, GB", "estimate / peak", title=f"memory: SmolLM2-135M, {UPDATES} updates"
    )
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="judgeforge-bench-") as folder:
        write_base_model(load_section("base", BaseParams, ROOT / "params.yaml"), Path(folder))
        for name in CASES:
            command = [sys.executable, str(Path(__file__)), name, folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SystemExit(f"{name} failed:\n{done.stdout}{done.stderr}")
            figures[name] = found = json.loads(done.stdout.splitlines()[-1])
            found["ratio"] = round(found["estimate_gb"] / found["peak_gb"], 3)
            Console().print(name, found)
            table.add_row(name, f"{found['estimate_gb']:.2f}", f"{found['peak_gb']:.2f}", f"{found['ratio']:.2f}")
    Console().print(table)
    record = {"name": "memory", "runs": figures, "command": "make bench NAME=memory", "commit": find_commit()}
    record |= {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": describe_machine()}
    write_json(RESULTS / "memory.json", record)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure_case(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
