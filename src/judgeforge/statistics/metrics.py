"""Metrics of one judge, computed from its verdict table alone, so that they can be computed again at any time."""

from typing import Any

import numpy as np
import polars as pl

from judgeforge.grading.records import Format, Scale
from judgeforge.statistics.bootstrap import cluster_bootstrap
from judgeforge.statistics.judged import build_judged_items
from judgeforge.statistics.measure import compute
from judgeforge.statistics.measures import MAIN_MEASURE, MEASURES, build_columns, round_score
from judgeforge.statistics.reliability import compute_ceiling, compute_run_alpha, compute_transitivity


def compute_metrics(
    verdicts: pl.DataFrame, resamples: int, confidence: float, seed: int, max_contaminated_share: float = 1.0
) -> dict[str, Any]:
    """Compute the metrics of every benchmark, JSON-ready; contaminated items are counted and left out.

    Args:
        verdicts: the table of one judge (``judgeforge.verdicts.SCHEMA``).
        resamples: of the prompt clusters, for the intervals.
        confidence: of the intervals.
        seed: of the bootstrap.
        max_contaminated_share: a benchmark that loses a larger share of its items is ``barred``.

    Returns:
        by benchmark: ``format``, ``mode``, ``items``, ``prompts``, ``contaminated``, ``barred`` (too many of them are:
        the gate does not use it), ``answers``, ``unparsable_rate`` (of the answers), ``coverage`` (both None where no
        item is left), ``metrics`` (name to value, low, high), ``groups`` (name to the main metric's value and its
        items), ``run_alpha`` and ``ceiling`` (see ``judgeforge.statistics.reliability``) and ``bootstrap``; with
        ``scale`` (direct: lowest and highest score), ``confusion`` (direct: gold score by predicted score, the lowest
        first, a last column for unparsable) or ``ties`` and
        ``transitivity`` (pairwise: items that accuracy leaves out; see there); where pairs were judged by two direct
        grades, too, ``direct_for_pairwise`` (its ``accuracy``, with and without ties, and ``unparsable_rate``; and
        ``gap``: the accuracy of the pairwise verdicts less it, the paper's Table 13).
    """
    bootstrap = {"resamples": resamples, "confidence": confidence, "seed": seed}
    return {
        name: _measure_benchmark(verdicts.filter(pl.col("benchmark") == name), bootstrap, max_contaminated_share)
        for name in verdicts["benchmark"].unique(maintain_order=True)
    }


def _measure_benchmark(verdicts: pl.DataFrame, bootstrap: dict[str, Any], max_share: float) -> dict[str, Any]:
    kind: Format = verdicts["format"][0]
    answers = verdicts.filter(~pl.col("contaminated") & (pl.col("method") == kind))
    parsed = answers["score" if kind == "direct" else "choice"].is_not_null()
    coverage = float(parsed.sum() / answers.height) if answers.height else None
    everything = build_judged_items(verdicts)
    judged = everything.filter(pl.col("method") == kind)
    clean = judged.filter(~pl.col("contaminated"))
    columns, clusters = build_columns(clean), clean["prompt_id"].to_numpy()
    entry: dict[str, Any] = {
        "format": kind,
        "mode": verdicts["mode"][0],
        "items": clean.height,
        "prompts": clean["prompt_id"].n_unique(),
        "contaminated": judged.height - clean.height,
        "barred": judged.height - clean.height > max_share * judged.height,
        "answers": answers.height,
        "unparsable_rate": None if coverage is None else 1 - coverage,
        "coverage": coverage,
        "metrics": {
            name: cluster_bootstrap(statistic, columns, clusters, **bootstrap).to_json()
            for name, statistic in MEASURES[kind].items()
        },
        "groups": _measure_groups(clean, kind),
        "run_alpha": compute_run_alpha(answers) if answers.height else None,
        "ceiling": compute_ceiling(clean),
        "bootstrap": bootstrap,
    }
    if kind == "direct":
        scale = Scale(verdicts["lowest"][0], verdicts["highest"][0])
        return entry | {"scale": list(scale), "confusion": _count_confusion(clean, scale)}
    entry["transitivity"] = compute_transitivity(clean)
    entry["ties"] = int((clean["gold_choice"] == "tie").sum())
    graded = everything.filter((pl.col("method") == "direct_for_pairwise") & ~pl.col("contaminated"))
    if not graded.height:
        return entry
    grades = verdicts.filter(~pl.col("contaminated") & (pl.col("method") == "direct_for_pairwise"))["score"]
    rate = {"unparsable_rate": float(grades.is_null().mean())}  # type: ignore[arg-type]
    return entry | {"direct_for_pairwise": _measure_gap(clean, graded, bootstrap) | rate}


def _measure_gap(pairwise: pl.DataFrame, graded: pl.DataFrame, bootstrap: dict[str, Any]) -> dict[str, Any]:
    accuracy = MEASURES["pairwise"][MAIN_MEASURE["pairwise"]]
    pairwise, graded = pairwise.sort("item_id"), graded.sort("item_id")
    columns = build_columns(graded)
    clusters = graded["prompt_id"].to_numpy()
    gap = {"correct": build_columns(pairwise)["correct"] - columns["correct"]}
    with_ties = MEASURES["pairwise"]["accuracy_with_ties"]
    return {
        "accuracy": cluster_bootstrap(accuracy, columns, clusters, **bootstrap).to_json(),
        "accuracy_with_ties": cluster_bootstrap(with_ties, columns, clusters, **bootstrap).to_json(),
        "gap": cluster_bootstrap(accuracy, gap, clusters, **bootstrap).to_json(),
    }


def _measure_groups(clean: pl.DataFrame, format: Format) -> dict[str, Any]:
    statistic = MEASURES[format][MAIN_MEASURE[format]]
    counted = clean.filter(pl.col("gold_choice").ne_missing("tie"))
    groups = {}
    for name in sorted(counted["group"].unique()):
        rows = counted.filter(pl.col("group") == name)
        groups[name] = {"value": compute(statistic, build_columns(rows)), "items": rows.height}
    return groups


def _count_confusion(clean: pl.DataFrame, scale: Scale) -> list[list[int]]:
    unparsable = scale.highest + 1
    gold = round_score(pl.coalesce(pl.col("graders").list.median(), "gold_score")).cast(pl.Int64)
    given = round_score(pl.col("score")).cast(pl.Int64).fill_null(unparsable)
    pairs = clean.select(gold=gold, given=given)
    table = np.zeros((len(scale.scores), len(scale.scores) + 1), dtype=int)
    np.add.at(table, tuple((pairs[name] - scale.lowest).to_numpy() for name in ("gold", "given")), 1)
    counts: list[list[int]] = table.tolist()
    return counts
