"""Which rows stand behind each example, so that a row that is withdrawn later can be traced to the judges that saw it.

A row stands behind an example whose text it gave, or whose score: all graders of a response stand behind its pairs,
and a duplicate stands where the row stands that was kept of it.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from judgeforge.prepare.plan import DIRECT_SETS, SETS, Plan
from judgeforge.training_sets import LINEAGE, LINEAGE_SCHEMA, name_file, write_table

_EXAMPLES_PER_FILE = 250_000


def write_lineage(plan: Plan, untaught: dict[str, list[int]], folder: Path) -> None:
    """Write the lineage of all sets.

    Args:
        plan: of the sets.
        untaught: by set, the numbers of the examples that were dropped in the end.
        folder: of the training sets.
    """
    number = 0
    for name in SETS:
        for examples in plan.sets[name].iter_slices(_EXAMPLES_PER_FILE):
            held = _trace(plan, name, examples, untaught[name])
            table = held.select(
                "row_id", pl.lit(name).alias("set"), pl.format(f"{name}-{{}}", "example").alias("example_id")
            )
            write_table(table, folder / LINEAGE / name_file(number))
            number += 1
    if not number:
        write_table(pl.DataFrame(schema=LINEAGE_SCHEMA), folder / LINEAGE / name_file(0))


def _trace(plan: Plan, name: str, examples: pl.DataFrame, untaught: Sequence[int]) -> pl.DataFrame:
    examples = examples.filter(~pl.col("example").is_in(list(untaught)))
    if name in DIRECT_SETS:
        held = examples.select("example", "number").join(plan.holders, on="number")
    else:
        sides = pl.concat(
            [examples.select("example", "own", pl.col(f"index_{side}").alias("index")) for side in ("a", "b")]
        ).unique()
        composed = sides.filter(~pl.col("own")).join(plan.holders, left_on="index", right_on="response_index")
        brought = sides.filter("own").join(plan.compared_holders, left_on="index", right_on="number")
        held = pl.concat([composed.select("example", "row_id"), brought.select("example", "row_id")])
    return held.select("example", "row_id").sort("example", "row_id")
