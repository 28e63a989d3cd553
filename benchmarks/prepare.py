"""Building the training sets from graded responses: ours, by columns, against the way of pandas and datasets, by rows.

The peer (prepare_by_rows.py) is what upstream's prepare_dataset.py does, rendering with a pandas ``apply`` and writing
through ``datasets``, with the same checks (columns, types, scale, duplicates), pairs, feedback and split. It looks into
no text, so beside it ours looks into none, either. Then ours at three sizes, with all checks of texts but the search
for near-duplicates: time, memory, cost per row.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from harness import RESULTS, ROOT, Side, compare, run_program

from judgeforge.files import load_json, write_json
from judgeforge.params import PrepareParams, load_section

ROWS = 100_000
SIZES = (10_000, 100_000, 1_000_000)
RESPONSES, RUBRICS = 5, 1_000
FEEDBACK_WORDS, RESPONSE_WORDS, REFERENCE_WORDS, INSTRUCTION_WORDS = 200, 250, 200, 60
PREPARE = [sys.executable, "-m", "judgeforge.prepare"]
MEASURED = """
import json, resource, runpy, sys, time
out, sys.argv = sys.argv[1], ["prepare/__main__.py", *sys.argv[2:]]
started = time.perf_counter()
try:
    runpy.run_module("judgeforge.prepare", run_name="__main__")
except SystemExit as stop:
    assert not stop.code, stop.code
used = resource.getrusage(resource.RUSAGE_SELF)
values = {"seconds": round(time.perf_counter() - started, 2), "cpu_seconds": round(used.ru_utime + used.ru_stime, 2)}
# Not ru_maxrss: that of a new program begins with what its parent had.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
json.dump(values | {"peak_mib": int(peak.split()[1]) // 1024}, open(out, "w"))
"""


def write_rows(path: Path, count: int) -> None:
    """Write graded responses with real lengths and nothing in them: words by a Zipf-like draw."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 10))) for _ in range(8_000)]
    pool = rng.choices(words, [1 / rank for rank in range(1, 8_001)], k=2_000_000)

    def text(length: int) -> str:
        start = rng.randrange(len(pool) - length)
        parts = [pool[at : at + 17] for at in range(start, start + length, 17)]
        return " ".join(" ".join(part).capitalize() + "." for part in parts)

    rubrics = [
        {"orig_criteria": text(20)} | {f"orig_score{level}_description": text(25) for level in range(1, 6)}
        for _ in range(RUBRICS)
    ]
    with path.open("w") as handle:
        for number in range(count // RESPONSES):
            task = {"orig_instruction": f"{number} {text(INSTRUCTION_WORDS)}", **rubrics[number % RUBRICS]}
            task["orig_reference_answer"] = text(REFERENCE_WORDS)
            for score in range(1, RESPONSES + 1):
                feedback = f"The response {text(FEEDBACK_WORDS)}"
                row = task | {
                    "orig_response": text(RESPONSE_WORDS),
                    "orig_feedback": feedback,
                    "orig_score": str(score),
                }
                handle.write(json.dumps(row) + "\n")


OF_TEXTS = ("markers", "secrets", "emails", "language", "lengths", "contradictions")


def write_params(folder: Path, rows: Path, *, texts: bool) -> None:
    """Write params.yaml: the committed values, all combinations, this source; with or without the checks of texts."""
    params = load_section("prepare", PrepareParams, ROOT / "params.yaml")
    source = {"name": "generated", "kind": "file", "path": str(rows), "columns": "feedback_collection", "weight": 1.0}
    document = params.model_dump(mode="json") | {"sources": [source], "max_pairs_per_instruction": None}
    skipped = [document["quality"]["near_duplicates"][each] for each in ("instructions", "responses")]
    skipped += [] if texts else [document["quality"][name] for name in OF_TEXTS]
    for check in skipped:
        check["action"] = "skip"
    (folder / "params.yaml").write_text(yaml.safe_dump({"prepare": document}))


def name_outputs(folder: Path) -> list[str]:
    """Return the stage's options."""
    names = ("train", "form", "benchmarks", "statistics", "quarantine", "page", "card")
    return [part for name in names for part in (f"--{name}", str(folder / name))]


def hash_examples(folder: Path, column: str) -> set[str]:
    """Return digests of all texts of a set, whatever their order."""
    import polars as pl  # noqa: PLC0415

    digests: set[str] = set()
    for path in sorted(folder.glob("*.parquet")):
        messages = pl.read_parquet(path, columns=["messages"])["messages"]
        texts = messages.list.eval(pl.element().struct.field("content")).list.join("\x1f")
        digests.update(hashlib.sha256(f"{column}{text}".encode()).hexdigest() for text in texts)
    return digests


def check_same(ours: Path, theirs: Path) -> None:
    """Compare what both sides wrote: the same direct examples to the byte, and as many pairs.

    Raises:
        SystemExit: they differ.
    """
    sides = []
    for folder in (ours, theirs):
        direct = hash_examples(folder / "direct", "d") | hash_examples(folder / "validation_direct", "d")
        pairs = hash_examples(folder / "pairwise", "p") | hash_examples(folder / "validation_pairwise", "p")
        sides.append((direct, len(pairs)))
    if sides[0] != sides[1]:
        raise SystemExit(
            f"the two differ: {[(len(direct), pairs) for direct, pairs in sides]} direct and pairwise rows"
        )


def measure_size(folder: Path, count: int) -> dict[str, Any]:
    """Run ours on so many rows in a process of its own, and return seconds and peak memory."""
    rows = folder / "rows.jsonl"
    write_rows(rows, count)
    write_params(folder, rows, texts=True)
    command = [sys.executable, "-c", MEASURED, str(folder / "measured.json"), *name_outputs(folder / "scaled")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    values: dict[str, Any] = load_json(folder / "measured.json")
    return {"rows": count, **values, "microseconds_a_row": round(1e6 * values["seconds"] / count, 1)}


def compare_sides(folder: Path, rounds: int) -> None:
    """Time both sides on the same file."""
    rows = folder / "rows.jsonl"
    write_rows(rows, ROWS)
    write_params(folder, rows, texts=False)
    ours = run_program(*PREPARE, *name_outputs(folder / "ours"), folder=folder)
    peer = run_program(sys.executable, ROOT / "benchmarks" / "prepare_by_rows.py", rows, "theirs", folder=folder)
    work = f"{ROWS:,} graded responses to direct sets and {2 * ROWS:,} pairs, offline feedback, checks, split, Parquet"
    compare(
        "prepare",
        work,
        Side("judgeforge", ours),
        Side("pandas and datasets", peer),
        check=lambda: check_same(folder / "ours" / "train", folder / "theirs"),
        rounds=rounds,
        goal=0.1,
    )


def main() -> None:
    """Measure both sides, then ours at three sizes."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--folder", type=Path, default=None, help="where the rows go; needs some 25 GB of disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="judgeforge-bench-", dir=options.folder) as name:
        if options.rounds:
            compare_sides(Path(name), options.rounds)
        record = load_json(RESULTS / "prepare.json")
        medians = record["medians_s"]
        record["rows_per_second"] = {side: round(ROWS / seconds) for side, seconds in medians.items()}
        record["rows_per_second_ratio"] = round(1 / record["ratio"], 2)
        print(f"rows per second: {record['rows_per_second']}, ratio {record['rows_per_second_ratio']} (goal: 10)")
        measured = []
        for count in options.sizes:
            with tempfile.TemporaryDirectory(prefix="size-", dir=name) as inner:
                measured.append(measure_size(Path(inner), count))
            print(measured[-1])
        write_json(RESULTS / "prepare.json", record | ({"sizes": measured} if measured else {}))


if __name__ == "__main__":
    main()
