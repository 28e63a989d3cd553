"""The statistics of the training sets, as a file for the report and a table for a person."""

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from judgeforge.grading.records import SCORES, TrainingExample
from judgeforge.prepare.pairing import PlacedPair
from judgeforge.prepare.sources import FeedbackRow

_TOKEN = re.compile(r"\w+|[^\w\s]")


def count_approximate_tokens(text: str) -> int:
    """Count words and punctuation marks: near a tokenizer's count, without loading one."""
    return len(_TOKEN.findall(text))


def compute_statistics(
    *, source: str, read: int, quarantined: int, valid: int, rows: Sequence[FeedbackRow]
) -> dict[str, Any]:
    """Describe the collection.

    Args:
        source: its name.
        read: rows of the file.
        quarantined: of these, bad ones.
        valid: of these, good ones, duplicates included.
        rows: the good ones without duplicates.
    """
    scores = Counter(row.score for row in rows)
    return {
        "source": source,
        "rows": {"read": read, "quarantined": quarantined, "duplicates": valid - len(rows), "kept": len(rows)},
        "instructions": len({row.instruction for row in rows}),
        "rubrics": len({row.rubric for row in rows}),
        "responses": len({(row.instruction, row.rubric, row.response) for row in rows}),
        "scores": {str(score): scores[score] for score in SCORES},
    }


def describe_examples(examples: Sequence[TrainingExample]) -> dict[str, Any]:
    """Describe one set of examples: how many, of how many instructions, how long."""
    prompts = [count_approximate_tokens(" ".join(m["content"] for m in row.messages[:-1])) for row in examples]
    completions = [count_approximate_tokens(row.messages[-1]["content"]) for row in examples]
    return {
        "rows": len(examples),
        "instructions": len({row.prompt_id for row in examples}),
        "approximate_tokens": {"prompt": _spread(prompts), "completion": _spread(completions)},
    }


def describe_pairs(pairs: Sequence[PlacedPair]) -> dict[str, Any]:
    """Describe where the better response stands and how often it is the longer one (equal lengths count half)."""
    lengths = [(len(placed.pair.better.text), len(placed.pair.worse.text)) for placed in pairs]
    longer = sum((better > worse) + 0.5 * (better == worse) for better, worse in lengths)
    choices = Counter(placed.choice for placed in pairs)
    return {
        "better_is": {"A": choices["A"], "B": choices["B"]},
        "longer_wins_share": round(longer / len(pairs), 4) if pairs else None,
    }


def render_table(values: dict[str, Any]) -> Table:
    """Lay the statistics out as a table."""
    table = Table(title="Training sets", show_header=False)
    rows = values["rows"]
    table.add_row("source", str(values["source"]))
    table.add_row("rows", ", ".join(f"{count} {name}" for name, count in rows.items()))
    table.add_row(
        "different",
        f"{values['instructions']} instructions, {values['rubrics']} rubrics, {values['responses']} responses",
    )
    table.add_row("scores", ", ".join(f"{score}: {count}" for score, count in values["scores"].items()))
    for name, part in values["formats"].items():
        tokens = part["approximate_tokens"]
        table.add_section()
        table.add_row(name, f"{part['rows']} rows of {part['instructions']} instructions")
        for text in ("prompt", "completion"):
            spread = ", ".join(f"{key} {value}" for key, value in tokens[text].items())
            table.add_row(f"  {text} (words and marks)", spread)
        if "better_is" in part:
            table.add_row("  better is", f"A {part['better_is']['A']}, B {part['better_is']['B']}")
            table.add_row(
                "  longer one wins", "-" if part["longer_wins_share"] is None else f"{part['longer_wins_share']:.1%}"
            )
    return table


def _spread(counts: Sequence[int]) -> dict[str, float]:
    if not counts:
        return {"mean": 0, "median": 0, "p95": 0, "max": 0}
    ordered = sorted(counts)
    return {
        "mean": round(statistics.fmean(ordered), 1),
        "median": statistics.median(ordered),
        "p95": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        "max": ordered[-1],
    }
