"""The challenger's own faults against their limits: guard rails on the figures as measured, without a test."""

from collections.abc import Sequence
from dataclasses import dataclass

from judgeforge.params import PromoteParams
from judgeforge.promote.candidate import Candidate
from judgeforge.promote.decision import Check
from judgeforge.statistics import MEASURES, build_columns
from judgeforge.statistics.one_sided import OneSided, assess

_ROUNDING = 1e-9
"""1 - 0.95 is a little more than 0.05."""


@dataclass(frozen=True)
class Drawing:
    """How intervals are drawn.

    Args:
        alpha: level of either end.
        resamples: of the prompt clusters.
        seed: of the draws.
    """

    alpha: float
    resamples: int
    seed: int


def check_limits(
    challenger: Candidate, benchmarks: Sequence[str], params: PromoteParams, drawing: Drawing
) -> list[Check]:
    """Check unparsable rate, swap inconsistency, position and length bias where each of them can be measured.

    Args:
        challenger: the judge.
        benchmarks: that count.
        params: the section ``promote``.
        drawing: of the intervals, which stand there for a reader.
    """
    return [check for name in benchmarks for check in _check_benchmark(challenger, name, params, drawing)]


def _check_benchmark(challenger: Candidate, benchmark: str, params: PromoteParams, drawing: Drawing) -> list[Check]:
    judged = challenger.select(benchmark)
    judged = judged.filter(~judged["contaminated"])
    rate, prompts = challenger.unparsable[benchmark], judged["prompt_id"].n_unique()
    checks = [_build(benchmark, "unparsable_rate", rate, None, params.max_unparsable_rate, judged.height, prompts)]
    if challenger.formats[benchmark] != "pairwise":
        return checks
    limits = {
        "swap_inconsistency": ("swap_consistency", params.max_swap_inconsistency),
        "position_bias": ("position_bias", params.max_position_bias),
        "length_bias": ("length_bias", params.max_length_bias),
    }
    columns, clusters = build_columns(judged), judged["prompt_id"].to_numpy()
    for name, (measure, limit) in limits.items():
        found = assess(MEASURES["pairwise"][measure], [columns], clusters, **vars(drawing))
        if found.interval.value is not None:
            turned = name == "swap_inconsistency"
            value = 1 - found.interval.value if turned else found.interval.value
            checks.append(_build(benchmark, name, value, _read_ends(found, turned), limit, found.items, found.clusters))
    return checks


def _read_ends(found: OneSided, turned: bool) -> tuple[float, float] | None:
    low, high = found.interval.low, found.interval.high
    if low is None or high is None:
        return None
    return (1 - high, 1 - low) if turned else (low, high)


def _build(
    benchmark: str,
    measure: str,
    value: float | None,
    interval: tuple[float, float] | None,
    limit: float,
    items: int,
    prompts: int,
) -> Check:
    return Check(
        kind="limit",
        benchmark=benchmark,
        measure=measure,
        against=None,
        challenger=value,
        other=None,
        figure=value,
        interval=interval,
        threshold=limit,
        verdict="undecided" if value is None else "passed" if abs(value) <= limit + _ROUNDING else "failed",
        items=items,
        prompts=prompts,
    )
