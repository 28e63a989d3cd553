"""Whether a champion still agrees with people: on freshly labelled rows, against what it reached when it was promoted.

The items differ, so the comparison is of independent samples. Fewer than 20 prompts say nothing. That the fresh rows
are of the same kind as the benchmark is for whoever chooses them: harder rows look like a judge that grew worse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from judgeforge.errors import InputError
from judgeforge.grading.records import Format
from judgeforge.params import EvaluateParams, PromoteParams
from judgeforge.promote.candidate import Candidate
from judgeforge.promote.independent import compute_unpaired_difference
from judgeforge.statistics.bootstrap import Interval
from judgeforge.statistics.measures import MAIN_MEASURE, MEASURES, build_columns
from judgeforge.statistics.one_sided import FEWEST_CLUSTERS, OneSided, assess

Finding = Literal["agrees", "fell", "too few rows"]


@dataclass(frozen=True)
class Agreement:
    """A judge's agreement with people on one set of fresh rows.

    Args:
        benchmark: the fresh rows.
        measure: the main measure of their format.
        fresh: what was measured, with an interval.
        items: that it rests on; those that were trained on are left out.
        prompts: that these belong to.
        against: what it is held against, in words.
        reference: that figure.
        difference: fresh less reference, with an interval.
        finding: ``fell`` where the whole interval lies below what is tolerated.
    """

    benchmark: str
    measure: str
    fresh: Interval
    items: int
    prompts: int
    against: str
    reference: float | None
    difference: Interval
    finding: Finding


def compare_agreement(
    fresh: Candidate,
    stored: Candidate | None,
    evaluate: EvaluateParams,
    promote: PromoteParams,
    *,
    least: Mapping[str, float],
    tolerated: float,
) -> list[Agreement]:
    """Compare the main measure of every set of fresh rows with what it was, or with the least that is wanted.

    Args:
        fresh: the champion, evaluated on fresh rows.
        stored: its evaluation of when it was promoted; None: it is not known.
        evaluate: how intervals are drawn.
        promote: ``alpha`` is shared by all comparisons; ``primary`` says which benchmarks count.
        least: figure by measure, to hold against in place of the stored evaluation.
        tolerated: how far it may have fallen without being said to.

    Raises:
        InputError: there is nothing to hold a measure against.
    """
    alpha = promote.alpha / max(1, len(fresh.formats))
    found = []
    for name, format in fresh.formats.items():
        measure = MAIN_MEASURE[format]
        now = _assess(fresh.select(name), format, evaluate, alpha)
        if measure in least:
            against, reference = f"the least that is wanted, {least[measure]:g}", _state(least[measure])
            difference = compute_unpaired_difference(now.interval, reference)
        else:
            benchmark = _choose_benchmark(stored, format, promote.primary)
            assert stored is not None  # noqa: S101 - for the type checker: a benchmark of it was found
            then = _assess(stored.select(benchmark), format, evaluate, alpha)
            against, reference = f"{benchmark} at its promotion", then.interval
            difference = compute_unpaired_difference(now.interval, reference)
        finding = _find(now, difference, fresh.select(name), format, tolerated)
        found.append(
            Agreement(
                name, measure, now.interval, now.items, now.clusters, against, reference.value, difference, finding
            )
        )
    return found


def _assess(judged: pl.DataFrame, format: Format, evaluate: EvaluateParams, alpha: float) -> OneSided:
    clean = judged.filter(~pl.col("contaminated"))
    return assess(
        MEASURES[format][MAIN_MEASURE[format]],
        [build_columns(clean)],
        clean["prompt_id"].to_numpy(),
        alpha=alpha,
        resamples=evaluate.bootstrap_resamples,
        seed=evaluate.seed,
    )


def _state(value: float) -> Interval:
    """A figure that somebody states is known exactly."""
    return Interval(value, value, value)


def _choose_benchmark(stored: Candidate | None, format: Format, primary: Sequence[str]) -> str:
    """Choose what to hold against: a primary benchmark of this format, otherwise the first one."""
    names = [name for name, own in (stored.formats if stored else {}).items() if own == format]
    names = [name for name in names if stored is not None and name not in stored.barred]
    chosen = [name for name in names if f"{name}/{MAIN_MEASURE[format]}" in primary]
    if not names:
        raise InputError(
            f"The champion's evidence has no {format} benchmark to hold fresh {format} rows against.",
            f"say what is the least that is wanted, as in least: {{{MAIN_MEASURE[format]}: 0.6}}.",
        )
    return (chosen or names)[0]


def _find(now: OneSided, difference: Interval, judged: pl.DataFrame, format: Format, tolerated: float) -> Finding:
    if now.clusters < FEWEST_CLUSTERS:
        return "too few rows"
    if now.interval.value is None:
        # A correlation is undefined where one side is constant. If people's scores differ, it is the judge's side.
        clean = judged.filter(~pl.col("contaminated"))
        return "fell" if format == "direct" and clean["gold_score"].n_unique() > 1 else "too few rows"
    if difference.high is None:
        return "too few rows"
    return "fell" if difference.high < -tolerated else "agrees"
