"""What stands beside every table: the mode, what was left out, what is barred, and what the gold graders leave open."""

from collections.abc import Mapping, Sequence
from typing import Any

from judgeforge.report.numbers import format_figure
from judgeforge.report.sources import Evaluation, Sources
from judgeforge.report.words import BARRED, ORIGINS, name_benchmark

BARRED_NOTE = f"{BARRED} So many of its items were trained on that no decision rests on it."


def title_benchmark(sources: Sources, benchmark: str) -> str:
    """Name a benchmark, with the mark of a barred one."""
    return name_benchmark(benchmark) + (f" {BARRED}" if is_barred(sources, benchmark) else "")


def is_barred(sources: Sources, benchmark: str) -> bool:
    """Tell whether too much of it was trained on."""
    return any(each.metrics[benchmark]["barred"] for each in sources.list_judging(benchmark))


def describe_basis(sources: Sources, benchmarks: Sequence[str]) -> str:
    """Say in which mode figures were made, and which items they leave out.

    Args:
        sources: of the report.
        benchmarks: those in the table.
    """
    entries = {name: sources.find_entry(name) for name in benchmarks}
    lost = [
        f"{title_benchmark(sources, name)} {entry['contaminated']:,}"
        for name, entry in entries.items()
        if entry["contaminated"]
    ]
    parts = [f"Mode {sources.mode}."]
    if lost:
        parts.append(f"Items left out because they were trained on: {'; '.join(lost)}.")
    if any(is_barred(sources, name) for name in benchmarks):
        parts.append(BARRED_NOTE)
    return " ".join(parts)


def describe_items(entry: Mapping[str, Any]) -> str:
    """Say what a benchmark's figures rest on."""
    lost = entry["contaminated"]
    left_out = f"; {lost:,} left out, trained on" if lost else ""
    return f"{entry['items']:,} items of {entry['prompts']:,} prompts, mode {entry['mode']}{left_out}"


def describe_ceiling(entry: Mapping[str, Any]) -> str | None:
    """Say how far gold graders agree and what that leaves to be reached; None where nothing was graded twice."""
    ceiling = entry["ceiling"]
    if not ceiling:
        return None
    measure = ceiling.get("measure", "pearson" if entry["format"] == "direct" else "accuracy")
    agreement = ceiling.get("agreement")
    if "graders" in ceiling:
        basis = f"{ceiling['graders']} graders, {ceiling['items']:,} items" if "items" in ceiling else "graders"
    else:
        basis = f"{ceiling['comparisons']:,} pairs of labels" if "comparisons" in ceiling else "labels"
    top = "undefined" if ceiling["value"] is None else format_figure(ceiling["value"], measure)
    agreed = "" if agreement is None else f"gold graders agree by {format_figure(agreement, measure)} ({basis}); "
    text = f"{agreed}ceiling {top}"
    return text[0].upper() + text[1:]


def describe_origin(evaluation: Evaluation) -> str:
    """Say whether a judge's figures were measured here."""
    return ORIGINS[evaluation.origin]


def describe_merge(evaluation: Evaluation) -> str:
    """Name a judge with the way in which it was merged, where that is known."""
    if not evaluation.merge:
        return evaluation.judge
    alpha = evaluation.merge.get("alpha")
    weight = "" if alpha is None else f", α = {alpha:g}"
    return f"{evaluation.judge} ({evaluation.merge['method']}{weight})"
