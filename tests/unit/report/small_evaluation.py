"""A small evaluation on disk: two judges, two trivial ones, one benchmark of each format."""

from pathlib import Path
from typing import Any

from judgeforge.benchmarks import BenchmarkItem, load_benchmark
from judgeforge.files import hash_file, write_json, write_json_lines
from judgeforge.grading.records import DirectItem, PairwiseItem, Rubric
from judgeforge.params import MatrixParams
from judgeforge.report.loading import load_sources
from judgeforge.report.sources import Sources
from judgeforge.statistics.metrics import compute_metrics
from judgeforge.verdicts import METRICS_FILE, VERDICTS_FILE, VerdictRow, load_verdicts, write_verdicts

RUBRIC = Rubric(criteria="Is it right?", levels=("no", "hardly", "partly", "mostly", "yes"))
MATRIX = MatrixParams(
    warm_ups=(),
    start="base",
    formats=("direct", "pairwise"),
    judges=("base", "merged"),
    references=("majority", "longer"),
    guests=(),
)
GROUPS = ("e-mail", "held-out: maps")


def build_items(format: str) -> list[BenchmarkItem]:
    items = []
    for index in range(40):
        shared = {"item_id": f"{format}-{index:02}", "prompt_id": f"p{index // 4}", "rubric": RUBRIC}
        shared["instruction"] = f"Write <b>{index}</b> & explain."
        item: Any
        if format == "direct":
            item = DirectItem(**shared, response=f"Response {index}")
        else:
            item = PairwiseItem(**shared, response_a=f"First {index}", response_b=f"Second {index}")
        gold = 1 + index % 5 if format == "direct" else "AB"[index % 2]
        items.append(BenchmarkItem(item=item, gold=gold, group=GROUPS[index // 4 % 2]))
    return items


def answer(judge: str, entry: BenchmarkItem) -> int | str | None:
    """base: mostly no verdict. merged: right but for every eighth. majority: a constant. longer: alternates blindly."""
    index = int(entry.item.item_id[-2:])
    direct = entry.item.format == "direct"
    if judge == "base":
        return None if index % 4 else (3 if direct else "A")
    if judge == "merged":
        return entry.gold if index % 8 else (3 if direct else "A" if entry.gold == "B" else "B")
    if judge == "majority":
        return 4 if direct else "A"
    return 1 + index // 3 % 5 if direct else "AB"[index // 3 % 2]


def write_judge(folder: Path, judge: str, contaminated: frozenset[str] = frozenset()) -> None:
    """Every judge but ``base`` and ``majority`` holds to its choice in the other order; those say the same letter."""
    rows = []
    for format, order in (("direct", ""), ("pairwise", "given"), ("pairwise", "swapped")):
        for entry in build_items(format):
            given, direct = answer(judge, entry), format == "direct"
            if order == "swapped" and given is not None and judge not in ("base", "majority"):
                given = {"A": "B", "B": "A"}[given]
            rows.append(
                VerdictRow(
                    judge=judge,
                    mode="clean",
                    benchmark=f"embedded_{format}",
                    format=format,
                    method=format,
                    order=order,
                    sample=0,
                    graders=(),
                    expected_score=None,
                    lengths=(9,) if direct else (8, 9),
                    responses=(entry.item.item_id,) if direct else (entry.item.item_id, "y"),
                    item_id=entry.item.item_id,
                    prompt_id=entry.item.prompt_id,
                    group=entry.group,
                    contaminated=entry.item.item_id in contaminated,
                    gold_score=entry.gold if direct else None,
                    gold_choice=None if direct else entry.gold,
                    score=given if direct else None,
                    choice=None if direct else given,
                    feedback=f"<script>alert('{judge}')</script>",
                    raw_text="raw",
                    prompt_tokens=1,
                    output_tokens=1,
                    finish="verdict",
                )
            )
    write_verdicts(rows, folder)
    metrics = compute_metrics(load_verdicts(folder), resamples=200, confidence=0.95, seed=1)
    template = None if judge in ("majority", "longer") else {"name": "judgeforge-1", "digest": "0"}
    document = {"judge": judge, "mode": "clean", "template": template, "verdicts": hash_file(folder / VERDICTS_FILE)}
    write_json(folder / METRICS_FILE, document | {"benchmarks": metrics})


def write_inputs(root: Path, contaminated: frozenset[str] = frozenset()) -> None:
    for judge in (*MATRIX.judges, *MATRIX.references):
        write_judge(root / "evaluation" / judge, judge, contaminated)
    for format in ("direct", "pairwise"):
        rows = [entry.model_dump(mode="json") for entry in build_items(format)]
        write_json_lines(root / "benchmarks" / f"embedded_{format}.jsonl", rows)
        points = [
            {"step": 5 * step, "epoch": step / 4, "loss": 2.0 / step, "learning_rate": 1e-3} for step in range(1, 5)
        ]
        points[-1]["validation_loss"] = 0.7
        write_json_lines(root / "curves" / f"{format}.jsonl", points)
    spread = {"mean": 1, "median": 1, "p95": 2, "max": 3}
    part = {"rows": 9, "instructions": 3, "approximate_tokens": {"prompt": spread, "completion": spread}}
    pairs = part | {"better_is": {"A": 4, "B": 5}, "longer_wins_share": 0.5}
    statistics = {
        "source": "embedded",
        "rows": {"read": 12, "quarantined": 1, "duplicates": 2, "kept": 9},
        "instructions": 3,
        "rubrics": 2,
        "responses": 9,
        "scores": {"1": 2, "2": 1, "3": 2, "4": 2, "5": 2},
        "formats": {"direct": part, "pairwise": pairs},
    }
    write_json(root / "statistics.json", statistics)


def load(root: Path, matrix: MatrixParams = MATRIX) -> Sources:
    names = ("embedded_direct", "embedded_pairwise")
    return load_sources(
        (*matrix.judges, *matrix.guests, *matrix.references),
        (*matrix.warm_ups, *matrix.formats),
        evaluation=root / "evaluation",
        curves=root / "curves",
        statistics=root / "statistics.json",
        benchmarks={name: load_benchmark(name, root / "benchmarks", None) for name in names},
    )
