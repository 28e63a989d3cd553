"""Corrections taken in: checked one by one, the latest of each person kept, held-out items refused, written whole."""

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from judgeforge.corrections.records import Correction, Row, read_time
from judgeforge.errors import InputError
from judgeforge.files import load_json_rows, write_json_lines
from judgeforge.overlap import find_covering, find_overlaps
from judgeforge.params import AuditParams

_ENDINGS = (".jsonl", ".ndjson")
_CLOCK_SLACK = timedelta(hours=1)
"""Clocks differ by minutes; a correction from further in the future would outlast all later ones."""


@dataclass(frozen=True)
class Taken:
    """What became of the corrections.

    Args:
        rows: rows of each file of the collection now.
        added: those that were not there before.
        replaced: those that a later correction by the same person took the place of.
        refused: rows in the quarantine.
        changed: files of the collection that are not as they were.
    """

    rows: dict[str, int]
    added: int
    replaced: int
    refused: int
    changed: tuple[Path, ...]


@dataclass(frozen=True)
class _Refused:
    place: str
    line: int
    reason: str
    row: Any


@dataclass(frozen=True)
class _Handed:
    """A line of the inbox; its text alone, and why, where it holds no row."""

    place: str
    line: int
    row: Any
    fault: str | None = None


_Places = dict[tuple[str, str], tuple[str, int]]
"""Where a row was last read: file and line, by file of the collection and id."""


def take_corrections(
    inbox: Path,
    into: Path,
    quarantine: Path,
    held_out: Mapping[str, Sequence[str]],
    params: AuditParams,
    now: datetime | None = None,
) -> Taken:
    """Bring the collection up to date with the inbox. Doing it twice changes nothing.

    What the collection holds stays, also where its row has left the inbox, unless a benchmark holds it by now.

    Args:
        inbox: a file of JSON Lines, or a folder of such files; nothing in it is changed.
        into: folder of the collection.
        quarantine: JSON Lines file of the rows that were refused, each with its reason; written anew each time.
        held_out: instructions that must not be trained on, by benchmark.
        params: how overlap is told.
        now: the time; None: the clock's.

    Raises:
        InputError: the inbox or the collection cannot be read.
    """
    limit = (now or datetime.now(UTC)) + _CLOCK_SLACK
    files = {path.name: load_json_rows(path) for path in sorted(into.glob("*.jsonl"))}
    before = {name: {row["id"]: row for row in rows} for name, rows in files.items()}
    after = {name: dict(rows) for name, rows in before.items()}
    places = {
        (name, row["id"]): (str(into / name), line) for name, rows in files.items() for line, row in enumerate(rows, 1)
    }
    refused = _merge(_read(inbox), after, places, limit)
    for name, rows in after.items():
        for key, reason in _find_held_out(rows, held_out, params).items():
            refused.append(_Refused(*places[name, key], reason, rows.pop(key)))
    changed = [into / name for name, rows in after.items() if rows != before.get(name, {})]
    for path in changed:
        rows = after[path.name]
        write_json_lines(path, [rows[key] for key in sorted(rows)])
    write_json_lines(quarantine, [vars(each) for each in refused])
    return Taken(
        rows={name: len(rows) for name, rows in after.items()},
        added=sum(len(rows.keys() - before.get(name, {}).keys()) for name, rows in after.items()),
        replaced=sum(
            row != before[name][key] for name in before for key, row in after[name].items() if key in before[name]
        ),
        refused=len(refused),
        changed=tuple(changed),
    )


def _merge(
    lines: Iterable[_Handed], files: dict[str, dict[str, Row]], places: _Places, limit: datetime
) -> list[_Refused]:
    """Put corrections into the files that they belong to, the latest over earlier ones; return those that are none."""
    refused = []
    for each in lines:
        found = each.fault or _check(each.row, limit)
        if isinstance(found, str):
            refused.append(_Refused(each.place, each.line, found, each.row))
            continue
        flat, name = found.build_row(), found.name_file()
        kept = files.setdefault(name, {})
        if flat["id"] not in kept or read_time(flat) >= read_time(kept[flat["id"]]):
            kept[flat["id"]] = flat
            places[name, flat["id"]] = each.place, each.line
    return refused


def _read(inbox: Path) -> Iterator[_Handed]:
    """Yield the lines. A last one without an end may be one that a service is in the middle of."""
    if not inbox.exists():
        raise InputError(f"There is no {inbox}.", "name the file or the folder that corrections are handed in to.")
    paths = [inbox] if inbox.is_file() else sorted(path for path in inbox.rglob("*") if path.suffix in _ENDINGS)
    for path in paths:
        # Not as one text: a line that is cut within a character would cost all the others.
        *whole, last = _load_bytes(path).removeprefix(codecs.BOM_UTF8).split(b"\n")
        for number, line in enumerate(whole, start=1):
            if line.strip():
                yield _Handed(str(path), number, *_parse(line))
        if last.strip():
            row, fault = _parse(last)
            yield _Handed(
                str(path), len(whole) + 1, row, fault and "the line has no end yet; once it is whole, it is taken"
            )


def _load_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.", "check the path and its permissions.") from error


def _parse(line: bytes) -> tuple[Any, str | None]:
    """Return the row; or the text, and why it holds none."""
    try:
        row = json.loads(line.decode())
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        return line.decode("utf-8", "replace"), f"the line is not UTF-8: byte {error.start} of it is no text"
    except (ValueError, RecursionError):  # half a surrogate pair, too, which no file can hold
        return ascii(line.decode()), "the line is no JSON object"
    return row, None


def _check(row: Any, limit: datetime) -> Correction | str:
    """Return the correction, or why it is none."""
    if not isinstance(row, dict):
        return "the line is no JSON object"
    try:
        found = Correction.model_validate(row)
    except ValidationError as error:
        return "; ".join(_describe(fault) for fault in error.errors())
    return f"when: {found.when.isoformat()} lies in the future" if found.when > limit else found


def _describe(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"] if part not in ("direct", "pairwise"))
    said = {"missing": "is missing", "extra_forbidden": "is unknown"}.get(fault["type"], fault["msg"])
    return f"{key} {said}".strip().replace("Value error, ", "")


def _find_held_out(
    rows: Mapping[str, Row], held_out: Mapping[str, Sequence[str]], params: AuditParams
) -> dict[str, str]:
    """Find the rows whose instruction stands in a benchmark, by the rules of ``audit``: the reason, by id."""
    texts = [row["instruction"] for row in rows.values()]
    found: dict[str, str] = {}
    for name, instructions in held_out.items():
        near = find_covering(texts, instructions, size=params.ngram_words, share=params.ngram_share)
        for key, equal, covering in zip(rows, find_overlaps(texts, instructions), near, strict=True):
            if equal or covering:
                found.setdefault(
                    key, f"the instruction stands in the benchmark {name}, which no judge may be trained on"
                )
    return found
