"""Metrics of one judge, computed from its verdict table alone, so that they can be computed again at any time."""

from typing import Any

import numpy as np
import polars as pl

from judgeforge.grading.records import SCORES, Format
from judgeforge.statistics import MAIN_MEASURE, MEASURES, build_columns, cluster_bootstrap


def compute_metrics(verdicts: pl.DataFrame, resamples: int, confidence: float, seed: int) -> dict[str, Any]:
    """Compute the metrics of every benchmark, JSON-ready; contaminated items are counted and left out.

    Args:
        verdicts: the table of one judge (``judgeforge.verdicts.SCHEMA``).
        resamples: of the prompt clusters, for the intervals.
        confidence: of the intervals.
        seed: of the bootstrap.

    Returns:
        by benchmark: ``format``, ``items``, ``prompts``, ``contaminated``, ``unparsable_rate``, ``coverage`` (both None
        where no item is left), ``metrics`` (name to value, low, high), ``groups`` (name to the main metric's value and
        its items) and ``bootstrap``; with ``confusion`` (direct: gold score by predicted score, a last column for
        unparsable) or ``ties`` (pairwise: items that accuracy leaves out).
    """
    bootstrap = {"resamples": resamples, "confidence": confidence, "seed": seed}
    return {
        name: _measure_benchmark(verdicts.filter(pl.col("benchmark") == name), bootstrap)
        for name in verdicts["benchmark"].unique(maintain_order=True)
    }


def _measure_benchmark(verdicts: pl.DataFrame, bootstrap: dict[str, Any]) -> dict[str, Any]:
    kind: Format = verdicts["format"][0]
    clean = verdicts.filter(~pl.col("contaminated"))
    parsed = clean["score" if kind == "direct" else "choice"].is_not_null()
    coverage = float(parsed.sum() / clean.height) if clean.height else None
    columns, clusters = build_columns(clean), clean["prompt_id"].to_numpy()
    entry: dict[str, Any] = {
        "format": kind,
        "items": clean.height,
        "prompts": clean["prompt_id"].n_unique(),
        "contaminated": verdicts.height - clean.height,
        "unparsable_rate": None if coverage is None else 1 - coverage,
        "coverage": coverage,
        "metrics": {
            name: cluster_bootstrap(statistic, columns, clusters, **bootstrap).to_json()
            for name, statistic in MEASURES[kind].items()
        },
        "groups": _measure_groups(clean, kind),
        "bootstrap": bootstrap,
    }
    if kind == "direct":
        entry["confusion"] = _count_confusion(clean)
    else:
        entry["ties"] = int((clean["gold_choice"] == "tie").sum())
    return entry


def _measure_groups(clean: pl.DataFrame, format: Format) -> dict[str, Any]:
    statistic = MEASURES[format][MAIN_MEASURE[format]]
    counted = clean.filter(pl.col("gold_choice").ne_missing("tie"))
    groups = {}
    for name in sorted(counted["group"].unique()):
        rows = counted.filter(pl.col("group") == name)
        groups[name] = {"value": statistic(build_columns(rows)), "items": rows.height}
    return groups


def _count_confusion(clean: pl.DataFrame) -> list[list[int]]:
    unparsable = SCORES[-1] + 1
    table = np.zeros((len(SCORES), unparsable), dtype=int)
    np.add.at(table, (clean["gold_score"].to_numpy() - 1, clean["score"].fill_null(unparsable).to_numpy() - 1), 1)
    counts: list[list[int]] = table.tolist()
    return counts
