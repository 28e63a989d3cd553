"""Two evaluated judges on the benchmarks that both judged: differences, intervals, tests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from judgeforge.errors import InputError
from judgeforge.statistics import MAIN_MEASURE, MEASURES, build_judged_items, compute, select_main
from judgeforge.statistics.bootstrap import Interval, bootstrap_difference
from judgeforge.statistics.inference import McNemar, compute_mcnemar, compute_power_table, correct_holm
from judgeforge.statistics.paired import Pair, pair_up, permutation_test
from judgeforge.verdicts import load_evaluation

PERMUTATIONS = 10_000
DIFFERENCES = (0.1, 0.05, 0.02, 0.01)
"""Rows of the power table."""


@dataclass(frozen=True)
class Comparison:
    """Two judges on one benchmark by one measure.

    Args:
        benchmark: its name.
        measure: in ``MEASURES``.
        mode: both judges', see docs/judging.md.
        items: that were judged by both and are contaminated for neither.
        contaminated: items left out.
        barred: too many were left out for either judge: the benchmark decides nothing.
        same: share of the answers, question by question, in which both gave the same verdict or none.
        prompts: that these belong to.
        first: the first judge's value.
        second: the second's.
        difference: first less second, with a paired interval clustered by prompt.
        p: of the permutation test clustered by prompt.
        p_holm: corrected for all that is compared, by Holm's method: a claim "on at least one" rests on it.
        mcnemar: of pairs, for comparison only: it takes no account of clusters.
        needed: prompts that a paired comparison needs to see a difference with a probability of 80%.
    """

    benchmark: str
    measure: str
    mode: str
    items: int
    contaminated: int
    barred: bool
    same: float
    prompts: int
    first: float | None
    second: float | None
    difference: Interval
    p: float | None
    p_holm: float | None
    mcnemar: McNemar | None
    needed: dict[float, int] | None


def compare_judges(first: Path, second: Path, measures: Sequence[str]) -> list[Comparison]:
    """Compare two evaluations on every benchmark that both hold.

    Args:
        first: folder of an evaluation.
        second: folder of another.
        measures: names in ``MEASURES``; none: the main measure of each format.

    Raises:
        InputError: nothing in common, other items, or other modes.
    """
    (one, one_verdicts), (two, two_verdicts) = load_evaluation(first), load_evaluation(second)
    if one["mode"] != two["mode"]:
        raise InputError(
            f"{first} was judged in {one['mode']} mode, {second} in {two['mode']} mode: their figures differ in kind.",
            "evaluate both in one mode.",
        )
    shared = [name for name in one["benchmarks"] if name in two["benchmarks"]]
    if not shared:
        raise InputError(f"{first} and {second} share no benchmark.", "evaluate both on the same benchmarks.")
    judged = [select_main(build_judged_items(verdicts)) for verdicts in (one_verdicts, two_verdicts)]
    found = []
    for name in shared:
        entries = one["benchmarks"][name], two["benchmarks"][name]
        tables = [table.filter(table["benchmark"] == name) for table in judged]
        pair = pair_up(*tables)
        left_out = tables[0].height - len(pair.clusters)
        same = _share_same(*(table.filter(table["benchmark"] == name) for table in (one_verdicts, two_verdicts)))
        facts = {
            "same": same,
            "mode": one["mode"],
            "contaminated": left_out,
            "barred": any(entry["barred"] for entry in entries),
        }
        known = MEASURES[pair.format]
        for measure in [each for each in measures if each in known] or [MAIN_MEASURE[pair.format]] * (not measures):
            found.append(_compare(name, measure, pair, entries[0]["bootstrap"], facts))
    if not found:
        names = ", ".join(sorted({each for table in MEASURES.values() for each in table}))
        raise InputError(f"No shared benchmark has a measure {' or '.join(measures)}.", f"name one of {names}.")
    return _correct(found)


def _share_same(first: pl.DataFrame, second: pl.DataFrame) -> float:
    question = ["method", "order", "sample", "item_id"]
    both = first.join(second, on=question, suffix="_other")
    equal = pl.col("score").eq_missing(pl.col("score_other")) & pl.col("choice").eq_missing(pl.col("choice_other"))
    return float(both.select(equal.mean()).item())


def _compare(benchmark: str, name: str, pair: Pair, settings: dict[str, Any], facts: dict[str, Any]) -> Comparison:
    measure = MEASURES[pair.format][name]
    difference = bootstrap_difference(measure, pair.sides, pair.clusters, **settings)
    prompts = np.unique(pair.clusters).size
    right = [np.where(side["gold_code"] == 2, np.nan, side["correct_with_ties"]) for side in pair.sides]
    return Comparison(
        benchmark=benchmark,
        measure=name,
        items=len(pair.clusters),
        prompts=prompts,
        first=compute(measure, pair.sides[0]),
        second=compute(measure, pair.sides[1]),
        difference=difference,
        p=permutation_test(measure, pair.sides, pair.clusters, resamples=PERMUTATIONS, seed=settings["seed"]),
        p_holm=None,
        mcnemar=compute_mcnemar(*right) if pair.format == "pairwise" else None,
        needed=compute_power_table(difference, prompts, DIFFERENCES, confidence=settings["confidence"]),
        **facts,
    )


def _correct(found: Sequence[Comparison]) -> list[Comparison]:
    corrected = correct_holm([each.p for each in found])
    return [replace(each, p_holm=value) for each, value in zip(found, corrected, strict=True)]
