"""Training on one GPU: a 7B model of random weights by LoRA and in full, and SmolLM2-135M on the real collection.

    make bench-gpu                                    # all parts; in full needs some 200 GB of main memory
    python benchmarks/training_gpu.py --dry-run       # the same in miniature on any machine
    python benchmarks/training_gpu.py --parts lora    # one part

Each part runs in a process of its own. Random weights take as long as trained ones. Published figures to hold these
against stand beside them (docs/experiments.md has where they are from).
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from harness import RESULTS, ROOT, find_commit
from rich.console import Console
from rich.table import Table
from training_side import Silent, load_conversations
from transformers import AutoModelForCausalLM, MistralConfig, TrainerCallback
from transformers.trainer_utils import SaveStrategy

from judgeforge.base.fetch import write_base_model
from judgeforge.base.miniature import build_tokenizer
from judgeforge.files import write_json
from judgeforge.params import BaseParams, TrainParams, load_section
from judgeforge.train.arithmetic import count_arithmetic, find_peak, measure_products
from judgeforge.train.distributed import join_processes
from judgeforge.train.environment import describe_environment
from judgeforge.train.job import Job
from judgeforge.train.live import measure_peak_memory
from judgeforge.train.model import load_tokenizer
from judgeforge.train.run import build_trainer
from judgeforge.train.tokens import TokenRows, tokenize_examples

COLLECTION = ROOT.parent / "shared" / "collections" / "vicuna_gpt4_feedback.jsonl"
_LONGEST = 16384
"""No row of the collection is that long, in bytes either."""
PARTS = ("lora", "full", "small")
REFERENCES = {
    "lora": "Llama-3 8B LoRA bf16, one H100: 12,473 tokens/s (41% MFU); Qwen2.5-7B 14,110 (43%): NeMo 2025-10",
    "full": "7B in full, packed 4,096, FP8, 8 x H100: 16,891 tokens/s a GPU: NeMo 24.07 (no offload)",
    "small": "",
}
SHAPE = MistralConfig()
"""Its defaults are the 7B model's."""
MINIATURE = MistralConfig(
    vocab_size=512,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
)


class Clock(TrainerCallback):
    """Takes the time of updates, but for the first ones."""

    def __init__(self, skipped: int) -> None:
        self._skipped, self.started, self.ended = skipped, 0.0, 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the time once the device is done."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if state.global_step == self._skipped:
            self.started = time.perf_counter()
        self.ended = time.perf_counter()


def write_random_base(folder: Path, shape: MistralConfig) -> None:
    """Write a model of random weights in bf16, with a tokenizer that is not used."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        model: Any = AutoModelForCausalLM.from_config(shape, dtype=torch.bfloat16)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)


def draw_rows(rows: int, vocabulary: int, miniature: bool) -> TokenRows:
    """Draw random rows with the lengths of the real collection: 600 to 1,800 tokens, 1,113 on average, 250 learnt."""
    rng = random.Random(0)
    lengths = [round(rng.triangular(600, 1800, 950)) // (20 if miniature else 1) for _ in range(rows)]
    ids = [[rng.randrange(vocabulary) for _ in range(length)] for length in lengths]
    learnt = [length * 250 // 1113 for length in lengths]
    columns = {"input_ids": pa.array(ids, pa.list_(pa.int32())), "completion_length": pa.array(learnt, pa.int32())}
    return TokenRows(pa.table(columns), [])


def choose_params(part: str, dry_run: bool) -> TrainParams:
    """Take the values of params.yaml, but for what a part is about."""
    params = load_section("train", TrainParams, ROOT / "params.yaml")
    lora = params.lora.model_copy(update={"rank": 16, "alpha": 32, "dropout": 0.0, "last_layers": None})
    engine = {"engine": "zero3", "offload": True} if part == "full" else {}
    changes: dict[str, Any] = {
        **{"method": "full" if part == "full" else "lora", "lora": lora, "gradient_accumulation": 1, "epochs": 1},
        **{"batch_size": 2 if dry_run else {"lora": 4, "full": 8, "small": 16}[part], "dtype": "bfloat16"},
        **{"gradient_checkpointing": part == "full", "checkpoint_every_steps": 10**6, "cpu_threads": None},
        "loss_chunk_tokens": 1024,
        **{"distribution": params.distribution.model_copy(update=engine), "patience": None},
    }
    return params.model_copy(update=changes)


def load_data(part: str, base: Path, params: TrainParams, dry_run: bool) -> tuple[TokenRows, Any]:
    """Return a part's rows and tokenizer."""
    if part == "small":
        tokenizer = load_tokenizer(base)
        count = 6 if dry_run else 960
        return TokenRows(*tokenize_examples(load_conversations(COLLECTION, count), tokenizer, _LONGEST)), tokenizer
    steps = 3 if dry_run else {"lora": 40, "full": 5}[part]
    shape = MINIATURE if dry_run else SHAPE
    return draw_rows(steps * params.batch_size, shape.vocab_size, dry_run), build_tokenizer()


def prepare_base(part: str, given: Path | None, folder: Path, dry_run: bool) -> Path:
    """Return the folder of a part's base model."""
    if part == "small":
        if given is not None:
            return given
        folder.mkdir()
        write_base_model(load_section("base", BaseParams, ROOT / "params.yaml"), folder)
    else:
        write_random_base(folder, MINIATURE if dry_run else SHAPE)
    return folder


def measure(part: str, given: Path | None, dry_run: bool) -> dict[str, Any]:
    """Train one part and return its figures."""
    params = choose_params(part, dry_run)
    if part == "full":
        alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
        os.environ |= alone | {"LOCAL_WORLD_SIZE": "1", "GROUP_RANK": "0"}
    with tempfile.TemporaryDirectory(prefix="judgeforge-bench-") as name, join_processes(params.distribution.engine):
        base = prepare_base(part, given, Path(name) / "base", dry_run)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()  # what the writing held is no part of a run's peak
        rows, tokenizer = load_data(part, base, params, dry_run)
        nowhere = Path(name) / "nowhere"
        job = Job("direct", nowhere, base, nowhere, nowhere, nowhere)
        nothing = TokenRows(*tokenize_examples([], tokenizer, 1))
        trainer, log = build_trainer(params, job, rows, nothing, tokenizer, nowhere, Silent())
        trainer.args.save_strategy = SaveStrategy.NO  # at the end there would be a checkpoint, in full of 87 GB
        skipped = 1 if len(rows) < 20 * params.batch_size else 5
        clock = Clock(skipped)
        trainer.add_callback(clock)
        sampler: Any = trainer.get_train_dataloader().batch_sampler
        order = list(sampler)[skipped:]
        trainer.train()
        log.close()
        lengths = [rows.lengths[index] for batch in order for index in batch]
        learnt = sum(rows.completion_lengths[index] for batch in order for index in batch)
        seconds, peak = clock.ended - clock.started, find_peak(torch.bfloat16)
        model: Any = trainer.model
        rate, held = count_arithmetic(model).count(lengths, learnt) / seconds, measure_peak_memory()
        ceiling = measure_products(torch.bfloat16, "cuda" if torch.cuda.is_available() else "cpu")
    return {
        **{"part": part, "tokens_per_second": sum(lengths) / seconds, "tokens": sum(lengths), "seconds": seconds},
        **{"mfu": rate / peak.flops, "peak": peak.source, "peak_memory_gib": held},
        **{"ceiling_gflops": ceiling / 1e9, "share_of_ceiling": rate / ceiling},
        **{"weights": sum(getattr(each, "ds_numel", each.numel()) for each in model.parameters())},
    }


def run_part(part: str, given: Path | None, dry_run: bool) -> dict[str, Any]:
    """Measure a part in a process of its own; a part that fails says why, and the others go on."""
    command = [sys.executable, __file__, "--measure", part, *(["--dry-run"] if dry_run else [])]
    command += ["--base", str(given)] if given else []
    done = subprocess.run(command, cwd=ROOT / "benchmarks", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
        return {"part": part, "failed": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def print_table(results: list[dict[str, Any]], device: str) -> None:
    """Print the figures beside the published ones."""
    columns = ("tokens/s", "MFU", "of a measured product", "peak memory, GiB", "published")
    table = Table("part", *columns, title=f"training on {device}")
    for each in results:
        if "failed" in each:
            table.add_row(each["part"], "failed", "", "", "", each["failed"])
        else:
            shares = (f"{each['mfu']:.1%}", f"{each['share_of_ceiling']:.1%}")
            figures = (f"{each['tokens_per_second']:,.0f}", *shares, f"{each['peak_memory_gib']:.1f}")
            table.add_row(each["part"], *figures, REFERENCES[each["part"]])
    Console().print(table)


def main() -> None:
    """Measure all parts and write benchmarks/results/training-gpu.json; a dry run writes nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="in miniature, on any machine")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--base", type=Path, help="folder of SmolLM2-135M; otherwise it is taken from its wheel")
    parser.add_argument("--measure", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.base, options.dry_run)))
        return
    if not (options.dry_run or torch.cuda.is_available()):
        raise SystemExit("There is no GPU here. In miniature, on the CPU: python benchmarks/training_gpu.py --dry-run")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU, in miniature"
    results = [run_part(part, options.base, options.dry_run) for part in options.parts]
    print_table(results, device)
    if not options.dry_run:
        command = f"python benchmarks/training_gpu.py --parts {' '.join(options.parts)}"
        record: dict[str, Any] = {"name": "training-gpu", "device": device, "results": results, "command": command}
        facts = {name.removeprefix("environment."): value for name, value in describe_environment().items()}
        facts.pop("system")
        stamp = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "commit": find_commit(), "references": REFERENCES}
        write_json(RESULTS / "training-gpu.json", record | stamp | {"environment": facts})
    if any("failed" in each for each in results):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
