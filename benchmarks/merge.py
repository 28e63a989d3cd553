"""A linear merge of two generated judges of 1.5 billion weights: ours, mergekit's program, and copying both inputs.

Every side starts from a cold process and is followed by a sync. Ours digests its inputs and measures norms on the way;
the canary, which loads the whole judge, is off but in a line of its own. `growth` tells how our time and memory grow
with size.
"""

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

import numpy as np
import yaml
from harness import RESULTS, ROOT, describe_machine, find_commit
from rich.console import Console
from rich.table import Table
from transformers import Qwen2Config

from judgeforge.base.miniature import build_tokenizer
from judgeforge.files import write_json
from judgeforge.grading.templates import load_template, write_template
from judgeforge.merge.recipe import build_recipe
from judgeforge.params import MergeParams, load_section
from judgeforge.weights.floats import narrow
from judgeforge.weights.mapped import MappedFolder
from judgeforge.weights.writer import open_files

LAYERS = {"0.1 B": 2, "0.5 B": 10, "1.5 B": 32, "3 B": 64}
MAIN, OTHERS, ROUNDS = "1.5 B", "0.5 B", 3
PLAIN: dict[str, Any] = {"canary": False}
METHODS: dict[str, dict[str, Any]] = {
    **{"slerp": {}, "task_arithmetic": {"scaling": 1.5}, "ties": {"density": 0.5}},
    **{"dare_linear": {"density": 0.5}, "dare_ties": {"density": 0.5}},
}
SHARD_BYTES = 1_000_000_000
GOALS = {"ratio": 5.0, "times_copy": 1.5, "anonymous_gib": 1.0}
OURS = """
from pathlib import Path
from judgeforge.merge.run import merge_judges
from judgeforge.params import MergeParams, load_section
values = load_section("merge", MergeParams, Path({params!r})).model_copy(update={changes!r})
merge_judges(values, Path("direct"), Path("direct"), Path("pairwise"), Path("ours"))
"""


def write_judge(folder: Path, layers: int, seed: int) -> None:
    """Write a judge of Qwen2-1.5B's shapes and random weights, in shards, without holding it."""
    tokenizer = build_tokenizer()
    width, inner, key = 1536, 8960, 256
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (len(tokenizer), width)}
    for number in range(layers):
        start = f"model.layers.{number}"
        for name, out, into in (
            *(("self_attn.q_proj", width, width), ("self_attn.k_proj", key, width), ("self_attn.v_proj", key, width)),
            *(("self_attn.o_proj", width, width), ("mlp.gate_proj", inner, width), ("mlp.up_proj", inner, width)),
            ("mlp.down_proj", width, inner),
        ):
            shapes[f"{start}.{name}.weight"] = (out, into)
        for name, size in (("self_attn.q_proj", width), ("self_attn.k_proj", key), ("self_attn.v_proj", key)):
            shapes[f"{start}.{name}.bias"] = (size,)
        shapes |= {f"{start}.{name}_layernorm.weight": (width,) for name in ("input", "post_attention")}
    shapes["model.norm.weight"] = (width,)
    folder.mkdir()
    lots = np.random.default_rng(seed)
    with open_files(folder, shapes, "bfloat16", SHARD_BYTES) as files:
        for name, shape in shapes.items():
            numbers = lots.standard_normal(shape, np.float32)
            numbers *= 0.02
            files.write(name, 0, narrow(numbers, "bfloat16"))
    sizes: dict[str, Any] = {
        **{"vocab_size": len(tokenizer), "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers},
        **{"num_attention_heads": 12, "num_key_value_heads": 2, "tie_word_embeddings": True},
    }
    config = Qwen2Config(**sizes, architectures=["Qwen2ForCausalLM"])
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_template(load_template("judgeforge-1"), folder)


def measure(folder: Path, *command: str | Path) -> dict[str, float]:
    """Run a program and sync; return seconds, and the most anonymous memory that it held, in GiB.

    Raises:
        SystemExit: it failed.
    """
    os.sync()
    started = time.perf_counter()
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        anonymous = 0
        while running.poll() is None:
            anonymous = max(anonymous, read_anonymous(running.pid))
            time.sleep(0.02)
    if running.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{(folder / 'log').read_text()}")
    os.sync()
    return {"seconds": time.perf_counter() - started, "anonymous_gib": anonymous / 2**30}


def read_anonymous(process: int) -> int:
    """Return a process's resident memory that is no mapped file, in bytes; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def run_side(side: str, folder: Path, changes: dict[str, Any] = PLAIN) -> dict[str, float]:
    """Measure one side in ``folder``, which holds both judges.

    Args:
        side: ``copy``, ``judgeforge`` or ``mergekit-yaml``.
        folder: also of what is written.
        changes: to the section ``merge``.
    """
    subprocess.run(["rm", "-rf", "copy", "theirs", "ours"], cwd=folder, check=True)
    if side == "copy":
        (folder / "copy").mkdir()
        return measure(folder, "cp", "-r", "direct", "pairwise", "copy")
    if side == "mergekit-yaml":
        values = load_section("merge", MergeParams, ROOT / "params.yaml").model_copy(update=changes)
        recipe = build_recipe(values, folder / "direct", folder / "pairwise", folder / "direct")
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        return measure(folder, Path(sys.executable).parent / "mergekit-yaml", "recipe.yaml", "theirs")
    return measure(folder, sys.executable, "-c", OURS.format(params=str(ROOT / "params.yaml"), changes=changes))


def check_same(folder: Path) -> None:
    """Compare the weights of both sides.

    Raises:
        SystemExit: they differ by more than one unit of bfloat16.
    """
    ours, theirs = MappedFolder(folder / "ours"), MappedFolder(folder / "theirs")
    for name in ours.header:
        first, second = (each.read(name, slice(0, 64)) for each in (ours, theirs))
        if bool((np.abs(first - second) > np.abs(second) * 2**-7).any()):
            raise SystemExit(f"The two merges differ in {name}: the timings compare nothing.")


def compare(folder: Path) -> dict[str, list[dict[str, float]]]:
    """Measure all sides in turn."""
    runs: dict[str, list[dict[str, float]]] = {"copy": [], "judgeforge": [], "mergekit-yaml": []}
    for number in range(ROUNDS):
        for side in list(runs)[:: -1 if number % 2 else 1]:
            runs[side].append(run_side(side, folder))
            Console().print(side, runs[side][-1])
            if number == 0 and side == "mergekit-yaml":
                (folder / "theirs").rename(folder / "kept")
    # Without a turn of its own: what it costs to hear the merged judge say 16 tokens.
    runs["judgeforge with canary"] = [run_side("judgeforge", folder, {})]
    (folder / "kept").rename(folder / "theirs")
    check_same(folder)
    return runs


def compare_methods(folder: Path) -> dict[str, dict[str, float]]:
    """Measure the other methods, once each."""
    found = {}
    for method, values in METHODS.items():
        changes = PLAIN | {"method": method} | values
        seconds = {side: run_side(side, folder, changes)["seconds"] for side in ("judgeforge", "mergekit-yaml")}
        found[method] = seconds | {"ratio": round(seconds["mergekit-yaml"] / seconds["judgeforge"], 2)}
        Console().print(method, found[method])
    return found


def main() -> None:
    """Measure, print a table, and write benchmarks/results/merge.json."""
    growth: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="judgeforge-bench-") as name:
        for size, layers in LAYERS.items():
            folder = Path(name) / size.replace(" ", "")
            folder.mkdir()
            for seed, judge in enumerate(("direct", "pairwise")):
                write_judge(folder / judge, layers, seed)
            growth[size] = run_side("judgeforge", folder)
            Console().print(size, growth[size])
            if size == OTHERS:
                methods = compare_methods(folder)
            if size == MAIN:
                runs = compare(folder)
            subprocess.run(["rm", "-rf", folder], check=True)
    medians = {side: statistics.median(each["seconds"] for each in found) for side, found in runs.items()}
    figures = {
        "ratio": round(medians["mergekit-yaml"] / medians["judgeforge"], 3),
        "times_copy": round(medians["judgeforge"] / medians["copy"], 3),
        "anonymous_gib": round(max(each["anonymous_gib"] for each in runs["judgeforge"]), 3),
    }
    record: dict[str, Any] = {
        **{
            "name": "merge",
            "work": f"linear merge of two judges of {MAIN} weights in bf16, in shards of 1 GB",
            "runs": runs,
        },
        **{
            "medians_s": medians,
            "growth": growth,
            "methods": {"work": OTHERS} | methods,
            "goals": GOALS,
            "command": "make bench NAME=merge",
        },
        **{"date": datetime.now(UTC).strftime("%Y-%m-%d"), "commit": find_commit(), "machine": describe_machine()},
    }
    print_tables(record | figures)
    write_json(RESULTS / "merge.json", record | figures)
    print(json.dumps(figures))


def print_tables(record: dict[str, Any]) -> None:
    """Print the sides, and the growth."""
    note = f"ratio {record['ratio']} (goal 5), {record['times_copy']} of copying both inputs (goal 1.5)"
    table = Table(
        "side", "median, s", "fastest", "slowest", "anonymous memory, GiB", title=record["work"], caption=note
    )
    for side, found in record["runs"].items():
        seconds = [each["seconds"] for each in found]
        most = max(each["anonymous_gib"] for each in found)
        table.add_row(
            *(side, f"{record['medians_s'][side]:.2f}", f"{min(seconds):.2f}", f"{max(seconds):.2f}", f"{most:.2f}")
        )
    Console().print(table)
    grown = Table("weights", "s", "anonymous memory, GiB", title="judgeforge, by size")
    for size, each in record["growth"].items():
        grown.add_row(size, f"{each['seconds']:.2f}", f"{each['anonymous_gib']:.2f}")
    Console().print(grown)
    others = Table("method", "judgeforge, s", "mergekit-yaml, s", "ratio", title=f"other methods, {OTHERS}, once each")
    for method, each in record["methods"].items():
        if method != "work":
            others.add_row(method, *(f"{each[name]:.2f}" for name in ("judgeforge", "mergekit-yaml", "ratio")))
    Console().print(others)


if __name__ == "__main__":
    main()
