"""What judges that read nothing reach on the same items: the figures below which a judge has learnt nothing."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from judgeforge.benchmarks.records import Benchmark
from judgeforge.evaluate.rows import Contaminated
from judgeforge.evaluate.run import evaluate_reference
from judgeforge.params import EvaluateParams
from judgeforge.statistics import MAIN_MEASURE, MEASURES, build_columns, build_judged_items, compute, select_main
from judgeforge.verdicts import build_table

FLOORS = ("random", "longer")
"""``majority`` is left to the stage ``reference``: it needs a training set, and is a constant score or choice."""


def compute_floors(
    params: EvaluateParams, benchmarks: Sequence[Benchmark], contaminated: Contaminated
) -> dict[str, dict[str, float | None]]:
    """Compute the main measure of the trivial judges ``FLOORS``, by benchmark and judge.

    Args:
        params: the section ``evaluate``.
        benchmarks: what was judged.
        contaminated: item ids by benchmark, which are left out.
    """
    floors: dict[str, dict[str, float | None]] = {each.name: {} for each in benchmarks}
    for name in FLOORS:
        rows = evaluate_reference(params, name, Path(), benchmarks, contaminated)
        judged = select_main(build_judged_items(build_table(rows))).filter(~pl.col("contaminated"))
        for each in benchmarks:
            items = judged.filter(pl.col("benchmark") == each.name)
            measure = MEASURES[each.format][MAIN_MEASURE[each.format]]
            floors[each.name][name] = compute(measure, build_columns(items)) if items.height else None
    return floors
