"""Rows on disk between reading and rendering: in buckets by instruction, so that one bucket at a time is in memory.

Which rows end where is decided in between on a small table of keys (``plan.py``).
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from judgeforge.prepare.hashing import Keys

_BUCKET_BYTES = 32 * 2**20
_MOST_BUCKETS = 512
_PENDING_BYTES = 64 * 2**20
"""Rows wait until there are so many, so that a bucket's share of them is worth a write."""
_BUCKET = "_bucket"


def choose_bucket_count(size_bytes: int) -> int:
    """Return a power of two that makes buckets of some 30 MB out of so many bytes."""
    count = 1
    while count < _MOST_BUCKETS and count * _BUCKET_BYTES < size_bytes:
        count *= 2
    return count


def choose_buckets(prompts: Keys, count: int) -> pl.Series:
    """Return the bucket of each row, by drawn numbers of its instruction."""
    shift = np.uint64(64 - (count.bit_length() - 1))
    numbers = prompts >> shift if count > 1 else np.zeros_like(prompts)
    return pl.Series("bucket", numbers, dtype=pl.UInt32)


class RowStore:
    """Rows in files, one a bucket.

    Args:
        folder: an empty folder.
        schema: of the rows.
    """

    def __init__(self, folder: Path, schema: pl.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}
        self._counts: dict[int, int] = {}
        self._pending: list[pl.DataFrame] = []
        self._pending_bytes = 0
        self._writing = ThreadPoolExecutor(1)
        self._written: Future[None] | None = None
        folder.mkdir(parents=True)

    def add(self, rows: pl.DataFrame, buckets: pl.Series) -> pl.Series:
        """Append rows to their buckets, and return the place of each in its bucket."""
        numbered = pl.DataFrame({"bucket": buckets}).with_columns(
            pl.int_range(pl.len(), dtype=pl.UInt32).over("bucket").alias("place")
        )
        before = pl.DataFrame(
            {"bucket": list(self._counts), "before": list(self._counts.values())},
            schema={"bucket": pl.UInt32, "before": pl.UInt32},
        )
        places = numbered.join(before, on="bucket", how="left", maintain_order="left").select(
            (pl.col("place") + pl.col("before").fill_null(0)).alias("place")
        )["place"]
        for bucket, count in buckets.value_counts().iter_rows():
            self._counts[bucket] = self._counts.get(bucket, 0) + count
        self._pending.append(rows.with_columns(buckets.alias(_BUCKET)))
        self._pending_bytes += int(rows.estimated_size())
        if self._pending_bytes >= _PENDING_BYTES:
            self._flush()
        return places

    def close(self) -> None:
        """Finish the files."""
        self._flush()
        self._wait()
        self._writing.shutdown()
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def load(self, bucket: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows of a bucket."""
        path = self._folder / f"{bucket}.arrow"
        if not path.is_file():
            return pl.DataFrame(schema=self._schema if columns is None else {c: self._schema[c] for c in columns})
        return pl.read_ipc_stream(path, columns=None if columns is None else list(columns))

    def _flush(self) -> None:
        """Write what waits while more is added."""
        self._wait()
        if self._pending:
            self._written = self._writing.submit(self._write_all, self._pending)
            self._pending, self._pending_bytes = [], 0

    def _wait(self) -> None:
        if self._written is not None:
            self._written.result()

    def _write_all(self, parts: list[pl.DataFrame]) -> None:
        rows = pl.concat(parts).sort(_BUCKET, maintain_order=True)
        start = 0
        for bucket, count in rows.group_by(_BUCKET, maintain_order=True).len().iter_rows():
            self._write(bucket, rows.slice(start, count).drop(_BUCKET))
            start += count

    def _write(self, bucket: int, rows: pl.DataFrame) -> None:
        # The older layout of texts: slices of the newer one bring the whole chunk's texts along.
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        if bucket not in self._writers:
            self._writers[bucket] = pa.ipc.new_stream(self._folder / f"{bucket}.arrow", table.schema)
        self._writers[bucket].write_table(table)
