"""Whether a champion still agrees with people: on freshly labelled rows, against what it reached when it was promoted.

The items differ, so the comparison is of independent samples. Fewer than 20 prompts say nothing, on either side. A
judge that says the same of nearly all rows has no interval, and has fallen. That the fresh rows are of the same kind as
the benchmark is for whoever chooses them: harder rows look like a judge that grew worse.
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

Finding = Literal["agrees", "fell", "too few rows", "no reference"]


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
        finding: ``fell`` where the whole interval lies below what is tolerated, or where the judge says the same of
            nearly all rows; ``no reference`` where the figure that it is held against has no interval.
        why: the reason, where it is another than where the interval lies; otherwise "".
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
    why: str


def check_least(least: Mapping[str, float]) -> None:
    """Check that all figures are of measures that are looked at: a mistyped name would be held against nothing.

    Raises:
        InputError: one is not.
    """
    known = list(MAIN_MEASURE.values())
    if unknown := [measure for measure in least if measure not in known]:
        raise InputError(
            f"least names {', '.join(unknown)}, which is not looked at.", f"name {' or '.join(known)} instead."
        )


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
        InputError: there is nothing to hold a measure against, or ``least`` names an unknown one.
    """
    check_least(least)
    alpha = promote.alpha / max(1, len(fresh.formats))
    found = []
    for name, format in fresh.formats.items():
        measure, judged = MAIN_MEASURE[format], fresh.select(name)
        now = _assess(judged, format, evaluate, alpha)
        if measure in least:
            against, then = f"the least that is wanted, {least[measure]:g}", _state(least[measure])
        else:
            against, then = _look_up(stored, format, evaluate, promote.primary, alpha)
        # People's own scores as the judge's: where these have no interval, no judge could have one.
        possible = _assess(judged.with_columns(score=pl.col("gold_score")), format, evaluate, alpha)
        difference = compute_unpaired_difference(now.interval, then.interval)
        finding, why = _find(now, possible, then, difference, tolerated)
        if finding == "fell" and why:
            why = f"{why}: {_describe_sameness(judged)}"
        facts = (name, measure, now.interval, now.items, now.clusters, against, then.interval.value, difference)
        found.append(Agreement(*facts, finding, why))
    return found


def _assess(judged: pl.DataFrame, format: Format, evaluate: EvaluateParams, alpha: float) -> OneSided:
    clean = _leave_out_trained_on(judged)
    return assess(
        MEASURES[format][MAIN_MEASURE[format]],
        [build_columns(clean)],
        clean["prompt_id"].to_numpy(),
        alpha=alpha,
        resamples=evaluate.bootstrap_resamples,
        seed=evaluate.seed,
    )


def _leave_out_trained_on(judged: pl.DataFrame) -> pl.DataFrame:
    return judged.filter(~pl.col("contaminated"))


def _state(value: float) -> OneSided:
    """A figure that somebody states is known exactly."""
    return OneSided(Interval(value, value, value), None, 0, FEWEST_CLUSTERS)


def _look_up(
    stored: Candidate | None, format: Format, evaluate: EvaluateParams, primary: Sequence[str], alpha: float
) -> tuple[str, OneSided]:
    """Look up what the champion reached when it was promoted."""
    benchmark = _choose_benchmark(stored, format, primary)
    assert stored is not None  # noqa: S101 - for the type checker: a benchmark of it was found
    return f"{benchmark} at its promotion", _assess(stored.select(benchmark), format, evaluate, alpha)


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


def _find(
    now: OneSided, possible: OneSided, then: OneSided, difference: Interval, tolerated: float
) -> tuple[Finding, str]:
    """Say what was found, and why where no difference is looked at."""
    needed = f"an interval needs {FEWEST_CLUSTERS} prompts at least"
    if now.clusters < FEWEST_CLUSTERS:
        return "too few rows", f"{now.clusters} prompts are left of the rows, and {needed}"
    if possible.interval.high is None:
        return "too few rows", "people's own verdicts are the same on nearly all rows"
    if now.interval.high is None:
        # A correlation has none where one side is constant, or is in too many resamples. It is not people's side.
        return "fell", "the judge says the same of nearly all rows"
    if then.clusters < FEWEST_CLUSTERS:
        return "no reference", f"what it is held against has {then.clusters} prompts, and {needed}"
    if difference.high is None:
        return "no reference", "what it is held against has no interval: its verdicts are the same on nearly all items"
    return ("fell" if difference.high < -tolerated else "agrees"), ""


def _describe_sameness(judged: pl.DataFrame) -> str:
    clean = _leave_out_trained_on(judged)
    mute = clean["score"].null_count()
    most = clean["score"].drop_nulls().value_counts(sort=True)
    parts = (
        [f"{most['count'][0]} of {clean.height} responses get the score {most['score'][0]:g}"] if most.height else []
    )
    parts += [f"{mute} of {clean.height} answers hold no verdict"] if mute else []
    return ", ".join(parts)
