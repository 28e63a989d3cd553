"""A piece of a source as it was read, asked for by column: objects of JSON, or a frame of Parquet."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

Texts = tuple[pl.Series, list[int]]
"""A column with null where it holds no text, and the indices of the rows that hold something else there."""

_TEXT_LIST = pl.List(pl.String)


@dataclass(frozen=True)
class Broken:
    """A row that could not be parsed: its number, the reason, and what of it can be shown."""

    line: int
    reason: str
    raw: Any


class Chunk(Protocol):
    """Consecutive rows of a source."""

    lines: list[int]
    broken: list[Broken]

    def list_columns(self) -> list[str]:
        """List the columns that some row has."""
        ...

    def get_texts(self, name: str) -> Texts:
        """Return a column of texts."""
        ...

    def get_numerals(self, name: str) -> pl.Series:
        """Return a column of whole numbers, or of texts, as texts; null where it holds anything else."""
        ...

    def get_lists(self, name: str) -> Texts:
        """Return a column of lists of texts."""
        ...

    def get_raw(self, index: int) -> dict[str, Any]:
        """Return a whole row."""
        ...


@dataclass
class ObjectChunk:
    """Rows of JSON.

    Args:
        lines: the number of each row.
        rows: the objects.
        broken: what stood between them and is none.
    """

    lines: list[int] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)

    def add(self, line: int, row: Any) -> None:
        """Take a parsed row, or set it aside where it is no object."""
        if isinstance(row, dict):
            self.lines.append(line)
            self.rows.append(row)
        else:
            self.broken.append(Broken(line, "not a JSON object", row))

    def list_columns(self) -> list[str]:
        """See ``Chunk``."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def get_texts(self, name: str) -> Texts:
        """See ``Chunk``."""
        return _build(name, [row.get(name) for row in self.rows])

    def get_numerals(self, name: str) -> pl.Series:
        """See ``Chunk``."""
        return _build(name, [write_numeral(row.get(name)) for row in self.rows])[0]

    def get_lists(self, name: str) -> Texts:
        """See ``Chunk``."""
        values = [row.get(name) for row in self.rows]
        # Polars would make a list of a single text.
        others = [index for index, value in enumerate(values) if value is not None and not _is_text_list(value)]
        clean = [None if value is None or not _is_text_list(value) else value for value in values]
        return pl.Series(name, clean, dtype=_TEXT_LIST), others

    def get_raw(self, index: int) -> dict[str, Any]:
        """See ``Chunk``."""
        return self.rows[index]


@dataclass
class FrameChunk:
    """Rows of a Parquet file.

    Args:
        lines: the number of each row.
        frame: the rows.
    """

    lines: list[int]
    frame: pl.DataFrame
    broken: list[Broken] = field(default_factory=list)

    def list_columns(self) -> list[str]:
        """See ``Chunk``."""
        return self.frame.columns

    def get_texts(self, name: str) -> Texts:
        """See ``Chunk``."""
        return self._get(
            name, pl.String(), lambda kind: kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum)
        )

    def get_numerals(self, name: str) -> pl.Series:
        """See ``Chunk``."""
        if name in self.frame.columns and self.frame[name].dtype.is_float():
            # What pandas makes of whole numbers as soon as one is missing.
            values = [write_numeral(value) for value in self.frame[name]]
            return pl.Series(name, [value if isinstance(value, str) else None for value in values], dtype=pl.String)
        return self._get(name, pl.String(), lambda kind: kind == pl.String or kind.is_integer())[0]

    def get_lists(self, name: str) -> Texts:
        """See ``Chunk``."""
        return self._get(name, _TEXT_LIST, lambda kind: kind == _TEXT_LIST)

    def get_raw(self, index: int) -> dict[str, Any]:
        """See ``Chunk``."""
        return self.frame.row(index, named=True)

    def _get(self, name: str, wanted: pl.DataType, fits: Callable[[pl.DataType], bool]) -> Texts:
        if name not in self.frame.columns:
            return pl.Series(name, [None] * self.frame.height, dtype=wanted), []
        column = self.frame[name]
        if fits(column.dtype):
            return column.cast(wanted), []
        others = column.is_not_null().arg_true().to_list()
        return pl.Series(name, [None] * self.frame.height, dtype=wanted), others


def write_numeral(value: Any) -> Any:
    """Return a whole number as text, also one that was exported as a decimal (4.0); anything else as it is."""
    if type(value) is int or (type(value) is float and value.is_integer()):
        return str(int(value))
    return value


def _is_text(value: Any) -> bool:
    # Polars holds UTF-8, which has no lone surrogates.
    return isinstance(value, str) and (value.isascii() or not has_surrogate(value))


def has_surrogate(text: str) -> bool:
    """Tell whether a text holds half of a character, which JSON's escapes can write and UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _is_text_list(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _build(name: str, values: list[Any]) -> Texts:
    try:
        return pl.Series(name, values, dtype=pl.String, strict=True), []
    except (TypeError, ValueError):
        others = [index for index, value in enumerate(values) if value is not None and not _is_text(value)]
        clean = [value if _is_text(value) else None for value in values]
        return pl.Series(name, clean, dtype=pl.String), others
