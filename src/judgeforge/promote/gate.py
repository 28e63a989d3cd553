"""Whether a challenger becomes champion: a pure decision on judged items, the same for both (docs/promotion.md)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from judgeforge.errors import InputError
from judgeforge.params import PromoteParams
from judgeforge.promote.candidate import Candidate
from judgeforge.promote.checks import (
    CHANCE_ALONE,
    Contrast,
    check_not_inferior,
    check_rival,
    check_superior,
    contrast,
    leave_open,
)
from judgeforge.promote.decision import Check, Decision, conclude
from judgeforge.promote.limits import Drawing, check_limits
from judgeforge.promote.summary import summarise
from judgeforge.statistics import MAIN_MEASURE, MEASURES

_PRIMARY = ("pearson", "spearman", "kendall", "exact_agreement", "accuracy")
"""Measures fit for a gate: more is better, and a missing verdict never helps."""

CHAMPION_NAME, FIRST_NAME = "the champion", "the first champion"


@dataclass(frozen=True)
class Standing:
    """A judge that holds or held the title.

    Args:
        name: what the decision calls it.
        candidate: its verdicts; None where they cannot be had (a forced promotion goes on without).
    """

    name: str
    candidate: Candidate | None


def decide(
    challenger: Candidate,
    standings: Sequence[Standing],
    rivals: Mapping[str, Candidate],
    params: PromoteParams,
    drawing: Drawing,
    notes: Sequence[str] = (),
) -> Decision:
    """Decide by the first champion's rule where nobody stands against the challenger, otherwise by the successor's.

    The first must beat every rival on every primary measure. A successor must beat the champion on at least one primary
    measure, and on every benchmark be within the margin of the champion and of the first champion. Both must keep to
    the limits. Benchmarks that were trained on do not count.

    Args:
        challenger: the judge to promote.
        standings: the champion, then the first champion if that is another one; empty: there is no champion.
        rivals: the base model and the trivial references, measured beside the challenger.
        params: the section ``promote``.
        drawing: of the intervals.
        notes: what the decision is to say besides.

    Raises:
        InputError: a primary measure was not taken of the challenger, judges were judged on different items, or no
            gain could ever be shown.
    """
    _require_primary(challenger, params)
    counted = [name for name in challenger.formats if name not in challenger.barred]
    checks = check_limits(challenger, counted, params, drawing)
    if standings:
        _require_resamples(params, drawing)
        checks += _check_successor(challenger, standings, counted, params, drawing)
    else:
        checks += _check_first(challenger, rivals, params, drawing)
    rule: Literal["first", "successor"] = "successor" if standings else "first"
    outcome = conclude(checks, rule)
    return Decision(
        rule=rule,
        outcome=outcome,
        summary=summarise(outcome, rule, checks, params.margin),
        alpha=drawing.alpha,
        margin=params.margin,
        checks=tuple(checks),
        notes=(*notes, *_note_left_out(challenger, standings)),
    )


def _require_primary(challenger: Candidate, params: PromoteParams) -> None:
    for name in params.primary:
        benchmark, _, measure = name.rpartition("/")
        if measure not in _PRIMARY:
            raise InputError(
                f"promote.primary names {name!r}, of which more is not better.",
                f"take one of {', '.join(_PRIMARY)}.",
            )
        if benchmark not in challenger.formats or measure not in MEASURES[challenger.formats[benchmark]]:
            raise InputError(
                f"promote.primary names {name!r}, which was not measured of the judge {params.judge!r}.",
                "name BENCHMARK/METRIC as in reports/metrics.json, or add the benchmark to evaluate.benchmarks.",
            )
        if benchmark in challenger.barred:
            raise InputError(
                f"promote.primary names {name!r}, and too many of that benchmark's items were trained on.",
                "name a benchmark that the training sets leave alone (docs/contamination.md).",
            )


def _require_resamples(params: PromoteParams, drawing: Drawing) -> None:
    """A p is hardly below one in so many resamples: no gain would ever be shown."""
    needed = ceil(2 * len(params.primary) / drawing.alpha)
    if drawing.resamples < needed:
        raise InputError(
            f"{drawing.resamples} resamples cannot show a gain at promote.alpha {drawing.alpha:g} on one of "
            f"{len(params.primary)} primary measures.",
            f"raise evaluate.bootstrap_resamples to {needed} or more.",
        )


def _check_successor(
    challenger: Candidate,
    standings: Sequence[Standing],
    counted: Sequence[str],
    params: PromoteParams,
    drawing: Drawing,
) -> Iterator[Check]:
    main = [f"{name}/{MAIN_MEASURE[challenger.formats[name]]}" for name in counted]
    wanted = dict.fromkeys([*params.primary, *main])
    for number, standing in enumerate(standings):
        against = {
            name: _compare(challenger, standing, name, drawing)
            for name in wanted
            if standing.candidate is None or name.rpartition("/")[0] not in standing.candidate.barred
        }
        if number == 0:
            compared = [name for name in params.primary if standing.candidate and _counts(standing.candidate, name)]
            gains: list[Contrast] = [against[name] for name in compared]
            yield from check_superior(gains, params.margin, drawing.alpha)
        yield from (check_not_inferior(each, params.margin, drawing.alpha) for each in against.values())


def _compare(challenger: Candidate, standing: Standing, name: str, drawing: Drawing) -> Contrast:
    if standing.candidate is None or not _counts(standing.candidate, name):
        return leave_open(standing.name, name)
    return contrast(challenger, standing.candidate, standing.name, name, drawing)


def _check_first(
    challenger: Candidate, rivals: Mapping[str, Candidate], params: PromoteParams, drawing: Drawing
) -> Iterator[Check]:
    for name in params.primary:
        met = [(rival, each) for rival, each in rivals.items() if _counts(each, name)]
        opponents: list[tuple[str, Candidate | None]] = [*met] or [(CHANCE_ALONE, None)]
        if not met and name.endswith("/exact_agreement"):
            raise InputError(
                f"There is nobody to hold {name!r} against: what a blind judge agrees by chance is not known.",
                "evaluate trivial judges (matrix.references) with 'dvc repro', or name another primary measure.",
            )
        for rival, candidate in opponents:
            yield check_rival(contrast(challenger, candidate, rival, name, drawing), params.margin, drawing.alpha)


def _counts(other: Candidate, name: str) -> bool:
    benchmark = name.rpartition("/")[0]
    return benchmark in other.formats and benchmark not in other.barred


def _note_left_out(challenger: Candidate, standings: Sequence[Standing]) -> Iterator[str]:
    for name in sorted(challenger.barred):
        yield f"{name} does not count: too many of its items were in the challenger's training sets."
    for standing in standings:
        candidate = standing.candidate
        if candidate is None:
            continue
        for name in sorted((candidate.barred & challenger.formats.keys()) - challenger.barred):
            yield f"{name} does not count against {standing.name}, which was trained on too many of its items."
        for name in sorted(candidate.formats.keys() - challenger.formats.keys()):
            yield f"{name} does not count: {standing.name} was measured on it, the challenger was not."
