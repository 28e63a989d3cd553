"""The merging ablation (arXiv 2405.01535, Table 17) on the judges of this folder: every method, three seeds by lot.

Run it where `make demo` or `dvc repro` has left its judges: `make ablation`. Each merge is a guest of the report, and
stands beside the specialists with its intervals. What is evaluated already is not done again.
"""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from judgeforge.files import load_json, write_json
from judgeforge.params import EvaluateParams, MatrixParams, MergeParams, load_section
from judgeforge.progress import say
from judgeforge.weights.digests import hash_folder, hash_weights

SEEDS = (42, 43, 44)
TABLE_10 = {"density": 0.9, "scaling": 1.95}
"""The values of DARE that the paper prints, for its 8x7B: p = 0.1 and lambda = 1.95."""
METHODS: dict[str, dict[str, Any]] = {
    "linear": {},
    "slerp": {},
    # With both judges' whole differences: at scaling 1 it would be linear.
    "task_arithmetic": {"scaling": 2.0},
    # The TIES paper's: a fifth of the numbers, and their mean.
    "ties": {"density": 0.2, "normalize": True},
    "dare_linear": TABLE_10,
    "dare_ties": TABLE_10,
}
PLACES = Path(".judgeforge/ablation")


def list_merges() -> dict[str, dict[str, Any]]:
    """Return the values of each merge by the name of its evaluation; those that nothing is drawn for have one seed."""
    found = {}
    for method, values in METHODS.items():
        seeds = SEEDS if method.startswith("dare") else SEEDS[:1]
        for seed in seeds:
            name = method.replace("_", "-") + (f"-{seed}" if len(seeds) > 1 else "")
            plain = {"method": method, "alpha": 0.5, "scaling": 1.0, "density": 1.0, "normalize": False, "seed": seed}
            found[name] = plain | values
    return found


def run(*words: str | Path) -> None:
    """Run a stage.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run([sys.executable, "-m", *map(str, words)], check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))} failed.")


def evaluate_merge(name: str, values: dict[str, Any], start: str, known: dict[str, Any]) -> None:
    """Merge, and evaluate the merge as a guest; not again where all that it depends on is as it was the last time.

    Args:
        name: of the evaluation.
        values: of the merge.
        start: the base of the judges, below models/.
        known: what all merges depend on.
    """
    done, wanted = PLACES / f"{name}.done.json", {"values": values} | known
    if (Path("evaluation") / name / "metrics.json").is_file() and done.is_file() and load_json(done) == wanted:
        say(f"{name}: evaluated already.")
        return
    done.unlink(missing_ok=True)
    choice, out = PLACES / f"{name}.json", PLACES / name
    write_json(choice, {"values": values})
    parts = ("--base", f"models/{start}", "--direct", "models/direct", "--pairwise", "models/pairwise")
    run("judgeforge.merge", *parts, "--choice", choice, "--out", out)
    inputs = ("--template", "data/train/judge_template.json", "--benchmarks", "data/benchmarks")
    outputs = ("--audit", "data/audit.json", "--out", f"evaluation/{name}", "--journal", f".judgeforge/journal/{name}")
    run("judgeforge.evaluate", "--judge", name, "--model", out, *inputs, *outputs)
    # Its choice makes it again in seconds; ten judges of 7B would take 140 GB.
    shutil.rmtree(out)
    write_json(done, wanted)


def main() -> None:
    """Merge and evaluate two at a time, each with the threads that params.yaml gives; then write the report."""
    start, merge = load_section("matrix", MatrixParams).start, load_section("merge", MergeParams)
    evaluate = load_section("evaluate", EvaluateParams)
    merges = list_merges()
    for values in merges.values():
        MergeParams.model_validate(merge.model_dump() | values)  # before anything is run
    benchmarks = sorted(path for path in Path("data/benchmarks").rglob("*") if path.is_file())
    known = {
        "inputs": {name: hash_folder(Path("models") / name) for name in (start, "direct", "pairwise")},
        "benchmarks": {str(path): hash_weights(path) for path in [*benchmarks, Path("data/audit.json")]},
        "sections": {"merge": merge.model_dump(mode="json"), "evaluate": evaluate.model_dump(mode="json")},
    }
    PLACES.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: evaluate_merge(name, merges[name], start, known), merges))
    shown = ",".join(["direct", "pairwise", *merges])
    run("judgeforge.report", "--judges", shown, "--out", "reports/ablation")


if __name__ == "__main__":
    main()
