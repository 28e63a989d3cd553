"""The embedded benchmarks: all responses of unseen instructions to be scored, and some of their pairs to be ranked."""

from pathlib import Path
from typing import Any

from judgeforge.benchmarks.records import BenchmarkItem
from judgeforge.files import write_folder_atomically, write_json_lines
from judgeforge.grading.records import DirectItem, PairwiseItem
from judgeforge.prepare.pairing import build_pairs, place_pairs
from judgeforge.prepare.sources import parse_rows
from judgeforge.prepare.split import compute_prompt_id

_PAIRS_PER_INSTRUCTION = 4


def build_embedded_benchmarks(raw_rows: list[dict[str, Any]], seed: int) -> dict[str, list[BenchmarkItem]]:
    """Build both benchmarks, by file name without ending.

    Args:
        raw_rows: the benchmark part of the embedded collection.
        seed: of the drawn pairs and of A/B placement.
    """
    rows = parse_rows(enumerate(raw_rows, start=1)).rows
    families = {row.instruction: raw["family"] for row, raw in zip(rows, raw_rows, strict=True)}
    direct = []
    for number, row in enumerate(rows):
        prompt_id = compute_prompt_id(row.instruction)
        item = DirectItem(
            item_id=f"embedded-direct-{number:04d}",
            prompt_id=prompt_id,
            instruction=row.instruction,
            response=row.response,
            reference=row.reference,
            rubric=row.rubric,
        )
        direct.append(BenchmarkItem(item=item, gold=row.score, group=families[row.instruction]))
    pairwise = []
    for number, placed in enumerate(place_pairs(build_pairs(rows, _PAIRS_PER_INSTRUCTION, seed), seed)):
        pair = placed.pair
        pair_item = PairwiseItem(
            item_id=f"embedded-pairwise-{number:04d}",
            prompt_id=pair.prompt_id,
            instruction=pair.instruction,
            response_a=placed.a.text,
            response_b=placed.b.text,
            reference=pair.reference,
            rubric=pair.rubric,
        )
        pairwise.append(BenchmarkItem(item=pair_item, gold=placed.choice, group=families[pair.instruction]))
    return {"embedded_direct": direct, "embedded_pairwise": pairwise}


def write_embedded_benchmarks(benchmarks: dict[str, list[BenchmarkItem]], folder: Path) -> None:
    """Write one JSON Lines file a benchmark."""
    with write_folder_atomically(folder) as temporary:
        for name, items in benchmarks.items():
            write_json_lines(temporary / f"{name}.jsonl", [item.model_dump(mode="json") for item in items])
