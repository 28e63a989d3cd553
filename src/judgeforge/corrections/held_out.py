"""Which instructions no correction may bring into training: those of every benchmark that judges are measured on."""

from collections.abc import Iterable
from pathlib import Path

from judgeforge.benchmarks import load_benchmark
from judgeforge.benchmarks.loaders import EMBEDDED
from judgeforge.errors import InputError
from judgeforge.lineage import load_lock
from judgeforge.params import EvaluateParams, PrepareParams


def load_held_out(evaluate: EvaluateParams, prepare: PrepareParams, more: Iterable[str] = ()) -> dict[str, list[str]]:
    """Load the instructions of the benchmarks that params.yaml names for evaluation, or to be kept clean.

    Args:
        evaluate: its benchmarks.
        prepare: its ``quality.overlap``.
        more: YAML files of benchmarks that params.yaml does not name.

    Raises:
        InputError: a benchmark cannot be read: what it holds must be known before anything is taken.
    """
    overlap = prepare.quality.overlap
    wanted = dict.fromkeys([(name, evaluate.benchmarks_folder) for name in (*evaluate.benchmarks, *more)])
    wanted |= dict.fromkeys([(name, overlap.benchmarks_folder) for name in overlap.drop_overlap_with])
    held_out: dict[str, list[str]] = {}
    for name, folder in wanted:
        embedded = _find_embedded(name) if name in EMBEDDED else Path()
        benchmark = load_benchmark(name, embedded, None if folder is None else Path(folder))
        known = held_out.setdefault(benchmark.name, [])
        known += [entry.item.instruction for entry in benchmark.items]
    return {name: list(dict.fromkeys(texts)) for name, texts in held_out.items()}


def _find_embedded(name: str) -> Path:
    """Find the folder of the embedded benchmarks among what dvc.lock says that ``prepare`` wrote."""
    for out in load_lock().get("prepare", {}).get("outs", []):
        if (Path(out["path"]) / f"{name}.jsonl").is_file():
            return Path(out["path"])
    raise InputError(
        f"The benchmark {name} is not there, so nobody knows which corrections it would leak into.",
        "run 'dvc repro prepare' first.",
    )
