"""The embedded benchmarks: all responses of unseen instructions to be scored, and some of their pairs to be ranked."""

import itertools
import random
from pathlib import Path
from typing import Any

from judgeforge.benchmarks.records import BenchmarkItem
from judgeforge.files import write_folder_atomically, write_json_lines
from judgeforge.grading.records import Choice, DirectItem, PairwiseItem, Rubric
from judgeforge.prepare.split import compute_prompt_id

_PAIRS_PER_INSTRUCTION = 4

RawRow = dict[str, Any]


def build_embedded_benchmarks(raw_rows: list[RawRow], seed: int) -> dict[str, list[BenchmarkItem]]:
    """Build both benchmarks, by file name without ending.

    Args:
        raw_rows: the benchmark part of the embedded collection.
        seed: of the drawn pairs and of A/B placement.
    """
    direct = []
    for number, row in enumerate(raw_rows):
        item = DirectItem(
            item_id=f"embedded-direct-{number:04d}", response=row["orig_response"].strip(), **_describe_task(row)
        )
        direct.append(BenchmarkItem(item=item, gold=int(row["orig_score"]), group=row["family"]))
    pairs = _draw_pairs(raw_rows, seed)
    pairwise = []
    for number, ((better, worse), choice) in enumerate(zip(pairs, _place(len(pairs), seed), strict=True)):
        a, b = (better, worse) if choice == "A" else (worse, better)
        pair_item = PairwiseItem(
            item_id=f"embedded-pairwise-{number:04d}",
            response_a=a["orig_response"].strip(),
            response_b=b["orig_response"].strip(),
            **_describe_task(better),
        )
        pairwise.append(BenchmarkItem(item=pair_item, gold=choice, group=better["family"]))
    return {"embedded_direct": direct, "embedded_pairwise": pairwise}


def _describe_task(row: RawRow) -> dict[str, Any]:
    levels = tuple(row[f"orig_score{score}_description"] for score in range(1, 6))
    return {
        "prompt_id": compute_prompt_id(row["orig_instruction"]),
        "instruction": row["orig_instruction"],
        "reference": row["orig_reference_answer"],
        "rubric": Rubric(criteria=row["orig_criteria"], levels=levels),
    }


def _draw_pairs(rows: list[RawRow], seed: int) -> list[tuple[RawRow, RawRow]]:
    """Draw some pairs of each instruction, the better response first; no two responses of one have the same score."""
    groups: dict[str, list[RawRow]] = {}
    for row in rows:
        groups.setdefault(row["orig_instruction"], []).append(row)
    pairs = []
    for number, (instruction, group) in enumerate(groups.items()):
        found = [
            (one, two) if int(one["orig_score"]) > int(two["orig_score"]) else (two, one)
            for one, two in itertools.combinations(group, 2)
        ]
        draw = random.Random(f"{seed}/pairs/{number}/{compute_prompt_id(instruction)}")
        pairs += draw.sample(found, min(_PAIRS_PER_INSTRUCTION, len(found)))
    return pairs


def _place(count: int, seed: int) -> list[Choice]:
    rng = random.Random(f"{seed}/placement")
    odd: Choice = "A" if rng.random() < 0.5 else "B"
    pool: tuple[Choice, ...] = ("A", "B")
    choices = [*pool * (count // 2), *[odd] * (count % 2)]
    rng.shuffle(choices)
    return choices


def write_embedded_benchmarks(benchmarks: dict[str, list[BenchmarkItem]], folder: Path) -> None:
    """Write one JSON Lines file a benchmark."""
    with write_folder_atomically(folder) as temporary:
        for name, items in benchmarks.items():
            write_json_lines(temporary / f"{name}.jsonl", [item.model_dump(mode="json") for item in items])
