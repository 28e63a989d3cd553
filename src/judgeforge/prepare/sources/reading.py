"""Files of rows, told apart by content and read in chunks, so that a large file needs no more memory than a small one.

A bad row is set aside with its reason and costs nothing else; a file that is broken as a whole is an error.
"""

import codecs
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from judgeforge.errors import InputError
from judgeforge.prepare.sources.chunks import Broken, Chunk, FrameChunk, ObjectChunk

CHUNK_BYTES = 8 * 2**20
"""How much of a file is held at once, more or less."""
_CHUNK_ROWS = 4_096
_PARQUET_MAGIC = b"PAR1"
_BLANK = b" \t\r\n\f\v"
_ARRAY_STARTS = (b"[{", b"[]", b"[")
"""What a JSON array of rows begins with."""
EMPTY_REMEDY = (
    "name one with rows in prepare.sources of params.yaml, or give a source of kind file that has none at times "
    "may_be_empty: true."
)
_LONGEST_ROW = 64 * 2**20
"""A row of a JSON array that has not ended after so many characters is taken for a broken file."""


def read_chunks(path: Path, *, may_be_empty: bool = False) -> Iterator[Chunk]:
    """Read a file of rows.

    Args:
        path: of the file.
        may_be_empty: whether a file of blanks alone holds no rows, as JSON Lines may.

    Raises:
        InputError: the file is missing, is empty where it may not be, or is a JSON array or Parquet file that is broken
            as a whole.
    """
    try:
        with path.open("rb") as handle:
            head = handle.read(4)
            handle.seek(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
            start = _find_start(handle)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.", "correct prepare.sources in params.yaml.") from error
    if head == _PARQUET_MAGIC or (head and path.suffix == ".parquet"):
        return _read_parquet(path)
    if not start and (path.suffix == ".parquet" or not may_be_empty):
        raise InputError(f"{path} is empty.", EMPTY_REMEDY)
    return gather_rows(_parse_array(path)) if start in _ARRAY_STARTS else _read_lines(path)


def _find_start(handle: Any) -> bytes:
    """Return the first two signs that are no white space: a line of JSON Lines that is no row may begin with [, too."""
    found = b""
    while len(found) < 2 and (block := handle.read(65_536)):
        found += bytes(block.translate(None, _BLANK)[:2])
    return found[:2]


def _read_lines(path: Path) -> Iterator[Chunk]:
    chunk, size = ObjectChunk(), 0
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            _parse_line(chunk, number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line)
            size += len(line)
            if size >= CHUNK_BYTES:
                yield chunk
                chunk, size = ObjectChunk(), 0
    if chunk.rows or chunk.broken:
        yield chunk


def _parse_line(chunk: ObjectChunk, number: int, line: bytes) -> None:
    try:
        chunk.add(number, orjson.loads(line))
        return
    except orjson.JSONDecodeError:
        if not line.strip():
            return
    # The standard library takes more than orjson does (NaN, surrogates), and tells what is wrong with the rest.
    line = line.removesuffix(b"\n")
    try:
        chunk.add(number, json.loads(line.decode()))
        return
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: byte {error.start} of the line cannot be decoded"
    except json.JSONDecodeError as error:
        reason = f"not valid JSON at column {error.colno}: {error.msg}"
    except (ValueError, RecursionError) as error:
        reason = f"not valid JSON: {error}"
    chunk.broken.append(Broken(number, reason, line.decode("utf-8", "replace").strip()))


def gather_rows(rows: Iterable[Any]) -> Iterator[Chunk]:
    """Number parsed rows from 1 and hand them on in chunks."""
    chunk = ObjectChunk()
    for number, row in enumerate(rows, start=1):
        chunk.add(number, row)
        if len(chunk.rows) + len(chunk.broken) >= _CHUNK_ROWS:
            yield chunk
            chunk = ObjectChunk()
    if chunk.rows or chunk.broken:
        yield chunk


class _Text:
    """A sliding window over a UTF-8 file."""

    def __init__(self, path: Path) -> None:
        self.path, self.text, self.at, self.ended = path, "", 0, False
        self._line = 1
        self._handle = path.open("rb")
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._read = 0

    def grow(self, characters: int) -> None:
        """Forget what was parsed and read on."""
        self._line += self.text.count("\n", 0, self.at)
        block = self._handle.read(characters)
        self.ended = not block
        try:
            added = self._decoder.decode(block, final=self.ended)
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.path} is not UTF-8: byte {self._read + error.start} cannot be decoded.",
                "convert the file to UTF-8, for example with iconv.",
            ) from error
        self._read += len(block)
        self.text, self.at = self.text[self.at :] + added, 0

    def skip_blanks(self) -> str:
        """Return the next character that is not blank, "" at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
                self.at += 1
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.grow(2**20)

    def fail(self, reason: str, at: int) -> InputError:
        """Build the error of a file that is broken at ``at`` of the window."""
        line = self._line + self.text.count("\n", 0, at)
        column = at - self.text.rfind("\n", 0, at)
        return InputError(
            f"{self.path} is not valid JSON at line {line}, column {column}: {reason}.", "repair or re-create the file."
        )

    def close(self) -> None:
        """Close the file."""
        self._handle.close()


def _parse_array(path: Path) -> Iterator[Any]:
    text = _Text(path)
    try:
        text.skip_blanks()
        text.at += 1
        if text.skip_blanks() == "]":
            return
        while True:
            yield _parse_value(text)
            following = text.skip_blanks()
            text.at += 1
            if following == "]":
                break
            if following != ",":
                raise text.fail("Expecting ',' delimiter", text.at - 1)
            text.skip_blanks()
        if text.skip_blanks():
            raise text.fail("Extra data", text.at)
    finally:
        text.close()


def _parse_value(text: _Text) -> Any:
    decoder = json.JSONDecoder()
    while True:
        try:
            value, end = decoder.raw_decode(text.text, text.at)
            # A number at the window's end may go on behind it.
            if end < len(text.text) or text.ended:
                text.at = end
                return value
        except json.JSONDecodeError as error:
            if text.ended or len(text.text) - text.at > _LONGEST_ROW:
                raise text.fail(error.msg, error.pos) from error
        except (ValueError, RecursionError) as error:
            raise text.fail(str(error), text.at) from error
        text.grow(max(2**20, len(text.text) - text.at))


def _read_parquet(path: Path) -> Iterator[Chunk]:
    broken = InputError(
        f"{path} is cut off or not a Parquet file.", "download or write it again, or name another in prepare.sources."
    )
    number = 1
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_CHUNK_ROWS):
                frame = pl.DataFrame(pl.from_arrow(batch))
                yield FrameChunk(list(range(number, number + frame.height)), frame)
                number += frame.height
    except (pa.ArrowException, OSError, pl.exceptions.PolarsError) as error:
        raise broken from error
