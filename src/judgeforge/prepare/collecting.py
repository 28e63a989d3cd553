"""Reading, as a whole: from sources to rows on disk, their keys in memory, and a file of what was set aside."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import polars as pl

from judgeforge.errors import InputError
from judgeforge.files import write_atomically
from judgeforge.params import PrepareParams
from judgeforge.params.sources import FeedbackColumns, FileSource, HubSource, Source
from judgeforge.prepare.ahead import work_ahead
from judgeforge.prepare.hashing import to_keys
from judgeforge.prepare.keys import build_compared_keys, build_graded_keys
from judgeforge.prepare.rows import COMPARED, GRADED, QuarantinedRow
from judgeforge.prepare.screening import Screen, take_out
from judgeforge.prepare.sources.loading import LoadedChunk, Loader, SourceCounts, may_be_empty
from judgeforge.prepare.sources.reading import EMPTY_REMEDY
from judgeforge.prepare.store import RowStore, choose_bucket_count, choose_buckets
from judgeforge.progress import say


@dataclass
class Collection:
    """What was read.

    Args:
        graded: the graded rows on disk.
        compared: the compared rows on disk.
        graded_keys: keys of those of them that are kept, with ``bucket`` and ``place``.
        compared_keys: likewise.
        buckets: how many there are.
        counts: by source.
        withdrawals_unused: ids of the file of withdrawn rows that no row has.
    """

    graded: RowStore
    compared: RowStore
    graded_keys: pl.DataFrame
    compared_keys: pl.DataFrame
    buckets: int
    counts: dict[str, SourceCounts]
    withdrawals_unused: int


@dataclass
class _Part:
    """Rows of one layout while they come in."""

    store: RowStore
    keys: list[pl.DataFrame] = field(default_factory=list)
    rows: int = 0


def collect_rows(
    loader: Loader, params: PrepareParams, screen: Screen | None, folder: Path, quarantine: Path
) -> Collection:
    """Read all sources.

    Args:
        loader: of the sources.
        params: of the stage.
        screen: further checks of the rows; its findings are there afterwards. None: no further ones.
        folder: for the rows, until they are rendered.
        quarantine: JSON Lines file of the bad rows; written whatever comes of the source.

    Raises:
        InputError: a source cannot be read, has no good row, or more bad rows than good ones.
    """
    buckets = choose_bucket_count(loader.size_bytes)
    parts = {True: _Part(RowStore(folder / "graded", GRADED)), False: _Part(RowStore(folder / "compared", COMPARED))}
    first_bad: dict[str, QuarantinedRow] = {}
    with _open_quarantine(quarantine) as handle:
        for chunk in work_ahead(loader.load()):
            for bad in chunk.quarantined:
                first_bad.setdefault(chunk.source.name, bad)
                handle.write(_render_bad(bad))
            graded = isinstance(chunk.source.layout, FeedbackColumns)
            rows = chunk.rows if screen is None else screen.look_at(chunk.rows, graded)
            if rows.height:
                _take(parts[graded], chunk, rows, params.seed, buckets)
        for source in params.sources:
            _look_at_counts(source, loader.counts[source.name], first_bad.get(source.name), quarantine)
        keys = {True: _join_keys(parts[True], build_graded_keys, GRADED)}
        keys[False] = _join_keys(parts[False], build_compared_keys, COMPARED)
        for graded, part in parts.items():
            part.store.close()
            if screen is None:
                continue
            aside = screen.decide(graded)
            for bad in take_out(keys[graded], part.store, aside):
                loader.counts[bad.source].quarantined += 1
                handle.write(_render_bad(bad))
            keys[graded] = keys[graded].filter(~pl.col("number").is_in(aside["number"].implode()))
    return Collection(
        graded=parts[True].store,
        compared=parts[False].store,
        graded_keys=keys[True],
        compared_keys=keys[False],
        buckets=buckets,
        counts=loader.counts,
        withdrawals_unused=len(loader.unused_withdrawals),
    )


def describe_source(source: Source) -> str:
    """Name a source and where its rows are."""
    if isinstance(source, FileSource):
        return f"{source.name} ({source.path})"
    return f"{source.name} ({source.repository})" if isinstance(source, HubSource) else source.name


def _look_at_counts(source: Source, counts: SourceCounts, first: QuarantinedRow | None, quarantine: Path) -> None:
    if may_be_empty(source) and not counts.read:
        say(f"The source {describe_source(source)} has no row.")
    else:
        require_usable(describe_source(source), counts, first, quarantine)


def require_usable(source: str, counts: SourceCounts, first: QuarantinedRow | None, quarantine: Path) -> None:
    """Check that enough of a source's rows are good.

    Raises:
        InputError: none is, or more than half are bad.
    """
    total, bad = counts.read - counts.withdrawn, counts.quarantined
    if not counts.read:
        raise InputError(f"The source {source} has no row.", EMPTY_REMEDY)
    if first is None or 2 * bad <= total:
        return
    amount = f"{bad} of the {total} rows" if bad < total else f"All {total} rows"
    raise InputError(
        f"{amount} of {source} are bad; the first, line {first.line}: {first.reason}.",
        f"see {quarantine} for all of them, then repair the rows or change prepare.sources.",
    )


def _take(part: _Part, chunk: LoadedChunk, rows: pl.DataFrame, seed: int, buckets: int) -> None:
    graded = isinstance(chunk.source.layout, FeedbackColumns)
    build = build_graded_keys if graded else build_compared_keys
    keys = build(rows, first=part.rows, weight=chunk.source.weight, seed=seed)
    bucket = choose_buckets(to_keys(keys["drawn"]), buckets)
    place = part.store.add(rows, bucket)
    part.keys.append(keys.drop("drawn").with_columns(bucket, place))
    part.rows += rows.height


def _join_keys(part: _Part, build: Callable[..., pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
    if part.keys:
        return pl.concat(part.keys)
    keys = build(pl.DataFrame(schema=schema), first=0, weight=1.0, seed=0).drop("drawn")
    return keys.with_columns(pl.Series("bucket", [], dtype=pl.UInt32), pl.Series("place", [], dtype=pl.UInt32))


@contextmanager
def _open_quarantine(path: Path) -> Iterator[IO[bytes]]:
    """Open the file so that it is whole even where reading stops at a broken source."""
    with write_atomically(path) as handle:
        failure: InputError | None = None
        try:
            yield handle
        except InputError as error:
            failure = error
    if failure is not None:
        raise failure


def _render_bad(bad: QuarantinedRow) -> bytes:
    """Replace what UTF-8 cannot hold (lone surrogates) and what JSON cannot hold (dates, bytes)."""
    row: dict[str, Any] = {"source": bad.source, "line": bad.line, "reason": bad.reason, "row": bad.raw}
    text = json.dumps(row, ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace") + b"\n"
