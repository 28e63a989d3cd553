"""Rubrics and reference answers for rows that have none, between the plan and the writing of the sets.

What was decided on keys stays so: rows that lack a rubric share one an instruction, those that lack a reference one an
instruction and rubric, and count as one group before it is written and after. Only rows that the plan uses are asked
about.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from judgeforge.prepare.collecting import Collection
from judgeforge.prepare.feedback import TaskName, Teacher
from judgeforge.prepare.plan import DIRECT_SETS, PAIRWISE_SETS, Plan
from judgeforge.prepare.rows import COMPARED, GRADED
from judgeforge.prepare.store import RowStore

_RUBRIC = ("criteria", "levels")
_GROUP = "_group"


def name_gaps(collection: Collection, teacher: Teacher) -> Collection:
    """Let the keys of what is lacking, and will be written, tell instructions apart, as the texts will."""
    keys = collection.graded_keys
    if teacher.rubric_levels is not None:
        lacking, highest = pl.col("highest").is_null(), pl.col("lowest") + teacher.rubric_levels - 1
        rubric = pl.when(lacking).then(pl.struct("rubric", "prompt").hash()).otherwise("rubric").alias("rubric")
        keys = keys.with_columns(rubric, pl.col("highest").fill_null(highest))
    if teacher.writes_references:
        none = pl.Series([None], dtype=pl.String).hash().item()
        reference = pl.when(pl.col("reference") == none).then(pl.struct("prompt", "rubric").hash())
        keys = keys.with_columns(reference.otherwise("reference").alias("reference"))
    return replace(collection, graded_keys=keys)


def complete_rows(collection: Collection, plan: Plan, teacher: Teacher, folder: Path) -> Collection:
    """Have rubrics and references written for the rows that the plan uses; the rows are in ``folder`` then.

    Raises:
        InputError: see ``Teacher.ask``.
    """
    if teacher.rubric_levels is not None:
        collection = _Gap("rubric", collection, plan, teacher).fill(folder / "rubrics")
    if teacher.writes_references:
        collection = _Gap("reference", collection, plan, teacher).fill(folder / "references")
    return collection


@dataclass(frozen=True)
class _Gap:
    """What rows lack.

    Args:
        task: that writes it.
        collection: the rows.
        plan: that uses them.
        teacher: who writes.
    """

    task: TaskName
    collection: Collection
    plan: Plan
    teacher: Teacher

    def fill(self, folder: Path) -> Collection:
        """Have it written, and put it into the rows."""
        self.teacher.ask({self.task: lambda: map(self._list_lacking, range(self.collection.buckets))})
        graded, compared = RowStore(folder / "graded", GRADED), RowStore(folder / "compared", COMPARED)
        for bucket in range(self.collection.buckets):
            lacking = self._list_lacking(bucket)
            written = self._write(lacking).with_columns(lacking[_GROUP])
            for old, new in ((self.collection.graded, graded), (self.collection.compared, compared)):
                rows = self._put(old.load(bucket), written)
                new.add(rows, pl.repeat(bucket, rows.height, dtype=pl.UInt32, eager=True))
        graded.close()
        compared.close()
        return replace(self.collection, graded=graded, compared=compared)

    @property
    def _is_lacking(self) -> pl.Expr:
        if self.task == "rubric":
            return pl.col("criteria").is_null()
        return pl.col("reference").is_null() & pl.col("criteria").is_not_null()

    @property
    def _group(self) -> pl.Expr:
        """What rows share that are given the same; for equality alone, within one process."""
        shared = ("prompt_id",) if self.task == "rubric" else ("prompt_id", "criteria", "levels", "lowest")
        return pl.struct(shared).hash().alias(_GROUP)

    def _list_lacking(self, bucket: int) -> pl.DataFrame:
        """List one row of each group that lacks it."""
        stores = (self.collection.graded, self.collection.compared)
        columns = ("prompt_id", "instruction", *_RUBRIC, "lowest", "reference")
        used = [
            store.load(bucket, columns)[places.unique(maintain_order=True)]
            for store, places in zip(stores, self._find_used(bucket), strict=True)
        ]
        return pl.concat(used).filter(self._is_lacking).with_columns(self._group).unique(_GROUP, maintain_order=True)

    def _find_used(self, bucket: int) -> tuple[pl.Series, pl.Series]:
        """Find the places of graded and of compared rows behind the bucket's examples."""
        graded, compared = [], []
        for name in (*DIRECT_SETS, *PAIRWISE_SETS):
            part = self.plan.sets[name].filter(pl.col("bucket") == bucket)
            if self.task == "reference":
                part = part.filter("shows_reference")
            if name in DIRECT_SETS:
                graded.append(part["place"])
                continue
            composed = part.filter(~pl.col("own"))
            graded += [composed["place_a"].alias("place"), composed["place_b"].alias("place")]
            compared.append(part.filter("own")["place_a"].alias("place"))
        return pl.concat(graded), pl.concat(compared)

    def _write(self, lacking: pl.DataFrame) -> pl.DataFrame:
        if self.task == "rubric":
            return self.teacher.write_rubrics(lacking)
        return self.teacher.write_references(lacking).alias("reference").to_frame()

    def _put(self, rows: pl.DataFrame, written: pl.DataFrame) -> pl.DataFrame:
        names = [name for name in written.columns if name != _GROUP]
        groups = rows.with_columns(pl.when(self._is_lacking).then(self._group).alias(_GROUP))
        joined = groups.join(written, on=_GROUP, how="left", suffix="_written", maintain_order="left")
        filled = [pl.coalesce(name, f"{name}_written").alias(name) for name in names]
        return joined.with_columns(filled).select(rows.columns)
