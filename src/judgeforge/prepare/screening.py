"""The checks of ``quality`` on both kinds of rows while they are read, and what they set aside taken from the disk."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import polars as pl

from judgeforge.params import QualityParams
from judgeforge.prepare.quality import RowChecks
from judgeforge.prepare.quality.findings import Finding
from judgeforge.prepare.rows import QuarantinedRow
from judgeforge.prepare.store import RowStore

OF_PAIRS = "_of_pairs"
"""What the names of findings in compared rows end with."""


class Screen:
    """The checks of graded and of compared rows. A context manager, as ``RowChecks`` is.

    Args:
        params: of the checks.

    Raises:
        InputError: a benchmark that rows must not overlap with cannot be read.
    """

    def __init__(self, params: QualityParams) -> None:
        self._params = params
        self._checks: dict[bool, RowChecks] = {}
        self.findings: dict[str, Finding] = {}

    def __enter__(self) -> "Screen":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for checks in self._checks.values():
            checks.__exit__(kind, error, trace)

    def look_at(self, rows: pl.DataFrame, graded: bool) -> pl.DataFrame:
        """Take a chunk, and return it with its verdict markers neutralised."""
        if graded not in self._checks:
            self._checks[graded] = RowChecks(self._params)
        return self._checks[graded].look_at(rows)

    def decide(self, graded: bool) -> pl.DataFrame:
        """Return ``number`` and ``reason`` of the rows of a kind that are set aside, and keep the findings."""
        if graded not in self._checks:
            return pl.DataFrame(schema={"number": pl.UInt32, "reason": pl.String})
        # What was measured of the rows is of no further use, and much where there are many.
        with self._checks.pop(graded) as checks:
            decision = checks.decide()
        self.findings |= {name if graded else name + OF_PAIRS: each for name, each in decision.findings.items()}
        reasons = decision.reasons.alias("reason").to_frame().with_row_index("number")
        return reasons.filter(pl.col("reason").is_not_null())


def take_out(keys: pl.DataFrame, store: RowStore, aside: pl.DataFrame) -> Iterator[QuarantinedRow]:
    """Yield the rows that are set aside, bucket by bucket.

    Args:
        keys: of all rows of a kind, with ``bucket`` and ``place``.
        store: of these, closed.
        aside: of ``Screen.decide``.
    """
    found = keys.select("number", "bucket", "place").join(aside, on="number", maintain_order="right")
    for (bucket,), part in found.group_by("bucket", maintain_order=True):
        rows = store.load(int(str(bucket)))[part["place"]]
        for reason, row in zip(part["reason"], rows.iter_rows(named=True), strict=True):
            yield QuarantinedRow(row["source"], row["line"], reason, _strip(row))


def _strip(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("source", "line", "prompt_id")}
