"""The stage as one function: training instructions and benchmarks in, contaminated items out."""

from pathlib import Path
from typing import TypedDict

from judgeforge.audit.overlap import find_overlaps
from judgeforge.benchmarks import load_benchmark
from judgeforge.errors import InputError
from judgeforge.files import load_json_rows, write_json
from judgeforge.params import EvaluateParams
from judgeforge.progress import track

INSTRUCTIONS_FILE = "instructions.jsonl"


class Finding(TypedDict):
    """What was found in one benchmark: how many items, which of them are contaminated, and what share."""

    items: int
    contaminated: list[str]
    share: float


def audit(params: EvaluateParams, *, train: Path, benchmarks: Path, out: Path) -> dict[str, Finding]:
    """Compare every benchmark with the training sets, validation included, and write the findings.

    Args:
        params: of ``evaluate``: the names of the benchmarks and the folder of the published ones.
        train: folder of the training sets.
        benchmarks: folder of the embedded benchmarks.
        out: JSON file.

    Raises:
        InputError: the training sets or a benchmark cannot be read.
    """
    training = _load_instructions(train / INSTRUCTIONS_FILE)
    findings: dict[str, Finding] = {}
    for name in track(params.benchmarks, "auditing benchmarks"):
        folder = None if params.benchmarks_folder is None else Path(params.benchmarks_folder)
        items = [entry.item for entry in load_benchmark(name, benchmarks, folder).items]
        overlaps = find_overlaps([item.instruction for item in items], training)
        contaminated = [item.item_id for item, overlap in zip(items, overlaps, strict=True) if overlap]
        share = len(contaminated) / len(items) if items else 0.0
        findings[name] = {"items": len(items), "contaminated": contaminated, "share": share}
    write_json(out, findings)
    return findings


def _load_instructions(path: Path) -> list[str]:
    rows = load_json_rows(path)
    instructions = [row.get("instruction") for row in rows]
    if not all(isinstance(instruction, str) for instruction in instructions):
        raise InputError(f"{path} has a row without an instruction.", "write it again with 'dvc repro prepare'.")
    return [str(instruction) for instruction in instructions]
