"""The main measure by part of a benchmark, with the families held out of training apart from the others."""

from typing import Any

import polars as pl

from judgeforge.report.sources import Evaluation, Sources
from judgeforge.statistics import MAIN_MEASURE, MEASURES, build_columns, cluster_bootstrap

HELD_OUT = "held-out: "
"""How the groups begin whose family no training row is of (``judgeforge.prepare.embedded``)."""


def build_breakdown(sources: Sources, benchmark: str) -> list[dict[str, Any]]:
    """Build the sections of a benchmark's breakdown.

    Returns:
        one section, or two where families were held out: ``title``, ``rows`` (``group``, ``items``, ``values`` by
        judge) and ``total`` (judge to value, low and high over the section, None where there is one section only).
    """
    groups = sources.subject.metrics[benchmark]["groups"]
    held_out = [name for name in groups if name.startswith(HELD_OUT)]
    parts = {"": list(groups)}
    if held_out:
        seen = [name for name in groups if name not in held_out]
        parts = {"Families seen in training, new instructions": seen, "Held-out families": held_out}
    return [
        {
            "title": title,
            "rows": [_build_row(sources, benchmark, name) for name in names],
            "total": {each.judge: _measure(each, benchmark, names) for each in sources.evaluations} if title else None,
        }
        for title, names in parts.items()
        if names
    ]


def _build_row(sources: Sources, benchmark: str, group: str) -> dict[str, Any]:
    found = {each.judge: each.metrics[benchmark]["groups"].get(group) for each in sources.evaluations}
    return {
        "group": group.removeprefix(HELD_OUT) or "all",
        "items": max(entry["items"] for entry in found.values() if entry),
        "values": {judge: entry["value"] if entry else None for judge, entry in found.items()},
    }


def _measure(evaluation: Evaluation, benchmark: str, groups: list[str]) -> dict[str, float | None]:
    rows = evaluation.select(benchmark).filter(~pl.col("contaminated") & pl.col("group").is_in(groups))
    entry = evaluation.metrics[benchmark]
    statistic = MEASURES[entry["format"]][MAIN_MEASURE[entry["format"]]]
    interval = cluster_bootstrap(statistic, build_columns(rows), rows["prompt_id"].to_numpy(), **entry["bootstrap"])
    return interval.to_json()
