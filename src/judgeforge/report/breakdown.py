"""The main measure by part of a benchmark, with the families held out of training apart from the others."""

from typing import Any

import polars as pl

from judgeforge.report.figures import Figure
from judgeforge.report.sources import Evaluation, Sources
from judgeforge.statistics import MAIN_MEASURE, MEASURES, build_columns, cluster_bootstrap

HELD_OUT = "held-out: "
"""How the groups begin whose family no training row is of (``judgeforge.prepare.embedded``)."""


def build_breakdown(sources: Sources, benchmark: str) -> list[dict[str, Any]]:
    """Build the sections of a benchmark's breakdown.

    Returns:
        one section, or two where families were held out: ``title``, ``rows`` (``group``, ``items``, ``figures`` by
        judge) and ``total`` (judge to a figure over the section, None where there is one section only).
    """
    groups = sources.find_entry(benchmark)["groups"]
    held_out = [name for name in groups if name.startswith(HELD_OUT)]
    parts = {"": list(groups)}
    if held_out:
        seen = [name for name in groups if name not in held_out]
        parts = {"Families seen in training, new instructions": seen, "Held-out families": held_out}
    judging = sources.list_judging(benchmark)
    return [
        {
            "title": title,
            "rows": [_build_row(sources, benchmark, name) for name in names],
            "total": {each.judge: _measure(each, benchmark, names) for each in judging} if title else None,
        }
        for title, names in parts.items()
        if names
    ]


def _build_row(sources: Sources, benchmark: str, group: str) -> dict[str, Any]:
    found = {each.judge: each.metrics[benchmark]["groups"].get(group) for each in sources.list_judging(benchmark)}
    return {
        "group": group.removeprefix(HELD_OUT) or "all",
        "items": max(entry["items"] for entry in found.values() if entry),
        "figures": {judge: _read(entry) for judge, entry in found.items()},
    }


def _read(entry: dict[str, Any] | None) -> Figure:
    if entry is None:
        return Figure(None, state="absent", reason="no item of this part")
    if entry["value"] is None:
        return Figure(None, state="undefined", reason="the verdicts do not differ")
    return Figure(entry["value"])


def _measure(evaluation: Evaluation, benchmark: str, groups: list[str]) -> Figure:
    rows = evaluation.select(benchmark).filter(~pl.col("contaminated") & pl.col("group").is_in(groups))
    entry = evaluation.metrics[benchmark]
    statistic = MEASURES[entry["format"]][MAIN_MEASURE[entry["format"]]]
    found = cluster_bootstrap(statistic, build_columns(rows), rows["prompt_id"].to_numpy(), **entry["bootstrap"])
    if found.value is None:
        return Figure(None, state="undefined", reason="the verdicts do not differ")
    return Figure(found.value, found.low, found.high)
