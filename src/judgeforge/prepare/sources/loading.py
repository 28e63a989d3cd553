"""All sources one after the other, in chunks of checked rows; withdrawn rows and repeated ids stay out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from judgeforge.errors import InputError
from judgeforge.files import read_text
from judgeforge.params import PrepareParams
from judgeforge.params.sources import Constant, EmbeddedSource, FileSource, Source
from judgeforge.prepare.ahead import work_ahead
from judgeforge.prepare.contract.verification import Verifier
from judgeforge.prepare.hashing import hash_texts
from judgeforge.prepare.rows import QuarantinedRow
from judgeforge.prepare.sources.checking import Checker
from judgeforge.prepare.sources.chunks import Chunk
from judgeforge.prepare.sources.hub import find_hub_files
from judgeforge.prepare.sources.reading import gather_rows, read_chunks

_ENDINGS = {".json", ".jsonl", ".ndjson", ".parquet"}


@dataclass
class SourceCounts:
    """What became of a source's rows: of those ``read``, so many were ``quarantined`` or ``withdrawn``."""

    read: int = 0
    quarantined: int = 0
    withdrawn: int = 0


@dataclass(frozen=True)
class LoadedChunk:
    """Checked rows of a source (``GRADED`` or ``COMPARED``), and those that were set aside."""

    source: Source
    rows: pl.DataFrame
    quarantined: list[QuarantinedRow]


@dataclass
class Loader:
    """Reads sources.

    Args:
        params: of the stage.
        embedded: the rows of the embedded collection.
        levels: how many levels a rubric must have; None: any number from two.
        blank_feedback: whether a graded row may come without feedback, which the teacher then writes.
        written_levels: how many levels the teacher's rubric has where a row has none; None: a row must have one.
        verifier: of a template that was recovered from the sources. None: rows may hold any prompt, or none.
        counts: by the source's name, filled while reading.
        size_bytes: of all files, filled before the first chunk.
        unused_withdrawals: ids of the file of withdrawn rows that were not met so far.
    """

    params: PrepareParams
    embedded: Sequence[dict[str, Any]]
    levels: int | None
    blank_feedback: bool
    written_levels: int | None = None
    verifier: Verifier | None = None
    counts: dict[str, SourceCounts] = field(default_factory=dict)
    unused_withdrawals: set[str] = field(default_factory=set)
    _files: dict[str, list[tuple[str, Path]]] = field(default_factory=dict)
    _withdrawn: frozenset[str] = frozenset()
    _unmet: dict[str, set[str]] = field(default_factory=dict)
    _seen: set[int] | None = None

    def __post_init__(self) -> None:
        self._withdrawn = load_withdrawn(self.params.withdrawn)
        self.unused_withdrawals = set(self._withdrawn)
        for source in self.params.sources:
            self.counts[source.name] = SourceCounts()
            self._unmet[source.name] = _list_named_columns(source)
            if not isinstance(source, EmbeddedSource):
                self._files[source.name] = find_files(source)
        if any(source.layout.id for source in self.params.sources):
            self._seen = set()

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(path.stat().st_size for files in self._files.values() for _, path in files)

    def load(self) -> Iterator[LoadedChunk]:
        """Read everything, in the order of the sources.

        Raises:
            InputError: a file is missing, empty where it may not be, or broken as a whole.
        """
        for source in self.params.sources:
            checker = Checker(source.layout, self.levels, self.blank_feedback, self.written_levels)
            if isinstance(source, EmbeddedSource):
                for chunk in gather_rows(self.embedded):
                    yield self._take(source, source.name, checker, chunk)
                continue
            columns: list[str] = []
            for place, path in self._files[source.name]:
                for chunk in work_ahead(read_chunks(path, may_be_empty=may_be_empty(source))):
                    if unmet := self._unmet[source.name]:
                        columns = chunk.list_columns()
                        unmet.difference_update(columns)
                    yield self._take(source, place, checker, chunk)
            self._require_met(source, columns)

    def _require_met(self, source: Source, columns: Sequence[str]) -> None:
        """Check that each column that the source's mapping names was met: a mistyped one would count as left blank."""
        unmet = sorted(self._unmet[source.name])
        if unmet and columns:
            raise InputError(
                f"No row of the source {source.name} has a column {' or '.join(unmet)}, but {', '.join(columns)}.",
                "correct the columns of that source in prepare.sources of params.yaml (null where there is none).",
            )

    def _take(self, source: Source, place: str, checker: Checker, chunk: Chunk) -> LoadedChunk:
        counts = self.counts[source.name]
        counts.read += len(chunk.lines) + len(chunk.broken)
        rows, faults = checker.check(chunk, place)
        if self.verifier is not None:
            rows, unfit = self.verifier.check(source.name, chunk, rows)
            faults += unfit
        rows = rows.with_columns(pl.lit(source.name).alias("source"))
        bad: list[tuple[int, str | None, str, Any]] = [
            (broken.line, None, broken.reason, broken.raw) for broken in chunk.broken
        ]
        for index, reason in faults:
            raw = chunk.get_raw(index)
            bad.append((chunk.lines[index], checker.find_id(raw), reason, raw))
        set_aside = []
        for line, own, reason, raw in sorted(bad, key=lambda each: each[0]):
            row_id = own or f"{place}:{line}"
            if row_id in self._withdrawn:
                # Its text must not go anywhere, the quarantine included.
                self.unused_withdrawals.discard(row_id)
                counts.withdrawn += 1
            else:
                set_aside.append(QuarantinedRow(place, line, reason, raw))
        rows = self._drop_withdrawn(rows, counts)
        rows, repeated = self._drop_repeated(rows, place)
        counts.quarantined += len(set_aside) + len(repeated)
        return LoadedChunk(source, rows, [*set_aside, *repeated])

    def _drop_withdrawn(self, rows: pl.DataFrame, counts: SourceCounts) -> pl.DataFrame:
        if not self._withdrawn:
            return rows
        gone = rows["row_id"].is_in(list(self._withdrawn))
        self.unused_withdrawals.difference_update(rows.filter(gone)["row_id"])
        counts.withdrawn += int(gone.sum())
        return rows.filter(~gone)

    def _drop_repeated(self, rows: pl.DataFrame, place: str) -> tuple[pl.DataFrame, list[QuarantinedRow]]:
        if self._seen is None:
            return rows, []
        first = []
        # Two exports may number their rows alike; within one, an id is one row's.
        for key in hash_texts([f"{place.split('/', maxsplit=1)[0]}\0{row_id}" for row_id in rows["row_id"]]).tolist():
            first.append(key not in self._seen)
            self._seen.add(key)
        if all(first):
            return rows, []
        kept = pl.Series(first, dtype=pl.Boolean)
        reason = "its id is that of an earlier row of this source (where several rows share one, let id be null)"
        repeated = [
            QuarantinedRow(place, row["line"], reason, {key: value for key, value in row.items() if key != "prompt_id"})
            for row in rows.filter(~kept).iter_rows(named=True)
        ]
        return rows.filter(kept), repeated


def _list_named_columns(source: Source) -> set[str]:
    """List the columns that the user's own mapping names; the public layouts may lack some."""
    if isinstance(source, EmbeddedSource) or isinstance(source.columns, str):
        return set()
    named = [value for name, value in source.columns if name != "lowest" and not isinstance(value, Constant)]
    return {column for value in named for column in ((value,) if isinstance(value, str) else value or ())}


def may_be_empty(source: Source) -> bool:
    """Tell whether a source without a row is none, rather than refused."""
    return isinstance(source, FileSource) and source.may_be_empty


def find_files(source: Source) -> list[tuple[str, Path]]:
    """List the files of a source, each with what the ids of its rows begin with.

    Raises:
        InputError: there is none.
    """
    if isinstance(source, EmbeddedSource):
        return []
    if isinstance(source, FileSource):
        root = Path(source.path)
        if not root.is_dir():
            if not root.is_file():
                raise InputError(
                    f"Source {source.name}: there is no file {root}.", "correct prepare.sources in params.yaml."
                )
            return [(source.name, root)]
        paths = sorted(path for path in root.rglob("*") if path.is_file() and path.suffix in _ENDINGS)
        paths = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(root).parts)]
    else:
        root, paths = find_hub_files(source)
    if not paths:
        raise InputError(
            f"Source {source.name}: {root} holds no file ending in {', '.join(sorted(_ENDINGS))}.",
            "correct prepare.sources in params.yaml.",
        )
    return [(f"{source.name}/{path.relative_to(root).as_posix()}", path) for path in paths]


def load_withdrawn(path: str | None) -> frozenset[str]:
    """Read the ids of rows that must not be used, one a line; blank lines are skipped.

    Raises:
        InputError: the file cannot be read.
    """
    if path is None:
        return frozenset()
    return frozenset(filter(None, (line.strip() for line in read_text(Path(path)).splitlines())))
