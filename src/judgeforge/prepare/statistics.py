"""The statistics of the training sets, as a file for the report and a table for a person."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.table import Table

from judgeforge.grading.records import FIVE_POINTS, Scale
from judgeforge.grading.templates import JudgeTemplate
from judgeforge.prepare.contract.recovery import RecoveredPart
from judgeforge.prepare.contract.verification import Verifier
from judgeforge.prepare.plan import PAIRWISE_SETS, Plan
from judgeforge.training_sets import EXAMPLES_SCHEMA

_WORD_OR_MARK = r"\w+|[^\w\s]"
"""Words and punctuation marks: near a tokenizer's count, without loading one."""
_SAMPLE = 500
"""Lengths are counted on so many examples of a set, the first in its drawn order."""


def describe_rows(plan: Plan) -> dict[str, Any]:
    """Describe the graded rows: how many instructions, rubrics and responses, and how often each score."""
    rows = plan.graded
    scores = dict(rows["score"].value_counts().sort("score").iter_rows())
    ends = rows.select(pl.col("lowest").min(), pl.col("highest").max()).row(0)
    scale = Scale(*ends) if rows.height else FIVE_POINTS
    return {
        "instructions": rows["prompt"].n_unique(),
        "rubrics": rows["rubric"].n_unique(),
        "responses": rows.select("prompt", "rubric", "response").n_unique(),
        "scores": {str(score): scores.get(score, 0) for score in scale.scores},
    }


def describe_set(name: str, plan: Plan, untaught: Sequence[int], folder: Path) -> dict[str, Any]:
    """Describe one set: how many examples of how many instructions, how long, and where the better response stands.

    Args:
        name: of the set.
        plan: of all.
        untaught: numbers of the examples that were dropped in the end.
        folder: of the training sets, written.
    """
    part = plan.sets[name].filter(~pl.col("example").is_in(list(untaught)))
    texts = _load_sample(folder / name)
    counts = texts.select(pl.all().str.count_matches(_WORD_OR_MARK))
    values: dict[str, Any] = {
        "rows": part.height,
        "instructions": part["prompt"].n_unique(),
        "approximate_tokens": {text: _spread(counts[text].to_list()) for text in counts.columns},
    }
    if name in PAIRWISE_SETS:
        at_a = int(part["a_is_better"].sum())
        # Equal lengths count half.
        longer = part.select(
            (pl.col("better_length") > pl.col("worse_length"))
            + 0.5 * (pl.col("better_length") == pl.col("worse_length"))
        ).to_series()
        values["better_is"] = {"A": at_a, "B": part.height - at_a}
        values["longer_wins_share"] = round(float(longer.sum()) / part.height, 4) if part.height else None
    return values


def describe_template(
    template: JudgeTemplate, recovered: Sequence[RecoveredPart], verifier: Verifier | None
) -> dict[str, Any]:
    """Describe the judge template: of a recovered one, what each format rests on, and how many rows of a source fit.

    Args:
        template: that all rows are rendered by.
        recovered: its formats that were recovered.
        verifier: of all rows, after they were read.
    """
    parts = {
        part.format: {
            "rows": part.rows,
            "exact": part.exact,
            "answer": part.answer,
            "inferred": part.inferred or None,
        }
        for part in recovered
    }
    return {"name": template.name, "recovered": parts, "verified": verifier.counts if verifier else {}}


def _load_sample(folder: Path) -> pl.DataFrame:
    found = [pl.DataFrame(schema=EXAMPLES_SCHEMA).select("messages")]
    for path in sorted(folder.glob("*.parquet")):
        missing = _SAMPLE - sum(frame.height for frame in found)
        if missing <= 0:
            break
        found.append(pl.read_parquet(path, columns=["messages"], n_rows=missing))
    content = pl.element().struct.field("content")
    shown = pl.col("messages").list.head(2).list.eval(content).list.join(" ")
    return pl.concat(found).select(
        shown.alias("prompt"), pl.col("messages").list.last().struct.field("content").alias("completion")
    )


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
    table.add_row("left out", _list_counts(values["left_out"]))
    if values["untaught_for"]:
        table.add_row("untaught for", _list_counts(values["untaught_for"]))
    table.add_row("judge template", values["template"]["name"])
    for source, fits in values["template"]["verified"].items():
        table.add_row(f"  rendered rows of {source}", _list_counts(fits))
    for name, fates in values["token_budget"]["sets"].items():
        table.add_row(f"  tokens of {name}", _list_counts(fates))
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


def _list_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "-"


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
