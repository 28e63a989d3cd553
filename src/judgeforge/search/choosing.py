"""How well candidates did, with intervals, and which one is taken."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from judgeforge.grading.records import Format
from judgeforge.params import EvaluateParams, MergeParams, SearchParams
from judgeforge.statistics.bootstrap import Interval, cluster_bootstrap
from judgeforge.statistics.measures import MAIN_MEASURE, MEASURES, build_columns
from judgeforge.statistics.paired import compute_difference

Row = dict[str, Any]
_BEYOND = 20
"""Resamples beyond each end of an interval at least."""
_SAME = ("method", "alpha", "scaling", "density")
"""What candidates have in common that differ in the seed alone."""


def measure_candidates(
    params: EvaluateParams,
    candidates: Sequence[MergeParams],
    judged: Mapping[MergeParams, pl.DataFrame],
    failures: Mapping[MergeParams, str],
) -> list[Row]:
    """Measure every candidate, and its difference to the first, on the same items.

    Args:
        params: the section ``evaluate``: of the intervals.
        candidates: the first is what stands in the section ``merge``.
        judged: judged items of each that could be made.
        failures: why the others could not.

    Returns:
        One row a candidate: its values, per format the main measure with its interval and the paired difference to the
        first with its own, the objective (the mean of both measures), how many answers had no verdict, and why it
        failed, if it did. Intervals of differences are as wide as it takes for all of them to hold together
        (Bonferroni): of many candidates that are equally good, one looks better by chance.
    """
    comparisons = len(MAIN_MEASURE) * max(len(candidates) - 1, 1)
    together = 1 - (1 - params.confidence) / comparisons
    rows = []
    for values in candidates:
        row: Row = {"name": values.describe(), "failure": failures.get(values, "")}
        row |= values.model_dump(include={*_SAME, "seed"})
        for format in MAIN_MEASURE:
            for name, interval in _measure(params, judged, values, candidates[0], format, together).items():
                row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
        found = [row[measure] for measure in MAIN_MEASURE.values()]
        row["objective"] = None if None in found else sum(found) / len(found)
        row["unparsable"] = _count_unparsable(judged[values]) if values in judged else None
        rows.append(row)
    return rows


def _measure(
    params: EvaluateParams,
    judged: Mapping[MergeParams, pl.DataFrame],
    values: MergeParams,
    first: MergeParams,
    format: Format,
    together: float,
) -> dict[str, Interval]:
    measure = MAIN_MEASURE[format]
    if values not in judged:
        nothing = Interval(None, None, None)
        return {measure: nothing, f"{measure}_difference": nothing}
    bootstrap: dict[str, Any] = {"resamples": params.bootstrap_resamples, "seed": params.seed}
    # So that an end is not the outermost resample, or nearly.
    many = max(params.bootstrap_resamples, math.ceil(2 * _BEYOND / (1 - together)))
    mine, theirs = (judged[each].filter(pl.col("format") == format) for each in (values, first))
    columns, clusters = build_columns(mine), mine["prompt_id"].to_numpy()
    own = cluster_bootstrap(MEASURES[format][measure], columns, clusters, confidence=params.confidence, **bootstrap)
    difference = compute_difference(mine, theirs, measure, confidence=together, **bootstrap | {"resamples": many})
    return {measure: own, f"{measure}_difference": difference}


def _count_unparsable(judged: pl.DataFrame) -> int:
    return int(judged.select(pl.col("score_parsed").is_null() & pl.col("choice").is_null()).sum().item())


def choose(params: SearchParams, rows: Sequence[Row]) -> Row:
    """Choose the merge with the best objective; with ``only_proven`` among those that are better beyond chance.

    Better beyond chance: in no format does the interval of its difference to the first lie below 0, and in one it lies
    above. Merges that differ in the seed alone are one: by the mean of their objectives, all of them proven, and the
    first of them is taken; the best seed would be the luckiest.

    Args:
        params: the section ``search``.
        rows: of ``measure_candidates``; the first is taken where no other is better.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in _SAME), []).append(row)
    able = []
    for group in groups.values():
        fit = not params.only_proven or group[0] is rows[0] or all(map(_is_proven, group))
        if fit and all(row["objective"] is not None for row in group):
            able.append(group)
    best = max(able, key=lambda group: sum(row["objective"] for row in group) / len(group), default=[rows[0]])
    return best[0]


def _is_proven(row: Row) -> bool:
    lows = [row[f"{measure}_difference_low"] for measure in MAIN_MEASURE.values()]
    highs = [row[f"{measure}_difference_high"] for measure in MAIN_MEASURE.values()]
    if None in lows or None in highs:
        return False
    return bool(min(highs) >= 0 and max(lows) > 0)
