"""Corrections taken in: checked one by one, the latest of each person kept, held-out items refused, written whole."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from judgeforge.corrections.records import Correction, Row, read_time
from judgeforge.errors import InputError
from judgeforge.files import load_json_rows, read_text, write_json_lines
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
    refused = _merge(_read(inbox), after, limit)
    for name, rows in after.items():
        refused += _take_out_held_out(into / name, rows, held_out, params)
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


def _merge(rows: Iterable[tuple[str, int, Any]], files: dict[str, dict[str, Row]], limit: datetime) -> list[_Refused]:
    """Put corrections into the files that they belong to, the latest over earlier ones; return those that are none."""
    refused = []
    for place, line, row in rows:
        found = _check(row, limit)
        if isinstance(found, str):
            refused.append(_Refused(place, line, found, row))
            continue
        flat = found.build_row()
        kept = files.setdefault(found.name_file(), {})
        if flat["id"] not in kept or read_time(flat) >= read_time(kept[flat["id"]]):
            kept[flat["id"]] = flat
    return refused


def _read(inbox: Path) -> Iterator[tuple[str, int, Any]]:
    """Yield file, line and row; a line that is no JSON comes as its text: a service may be in the middle of it."""
    if not inbox.exists():
        raise InputError(f"There is no {inbox}.", "name the file or the folder that corrections are handed in to.")
    paths = [inbox] if inbox.is_file() else sorted(path for path in inbox.rglob("*") if path.suffix in _ENDINGS)
    for path in paths:
        for number, line in enumerate(read_text(path).split("\n"), start=1):
            if line.strip():
                try:
                    row = json.loads(line)
                    json.dumps(row, ensure_ascii=False).encode()
                except (ValueError, RecursionError):  # half a surrogate pair, too, which no file can hold
                    row = ascii(line)
                yield str(path), number, row


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


def _take_out_held_out(
    path: Path, rows: dict[str, Row], held_out: Mapping[str, Sequence[str]], params: AuditParams
) -> list[_Refused]:
    """Remove the rows whose instruction stands in a benchmark, by the rules of ``audit``, and return them."""
    keys = list(rows)
    texts = [rows[key]["instruction"] for key in keys]
    refused = []
    for name, instructions in held_out.items():
        near = find_covering(texts, instructions, size=params.ngram_words, share=params.ngram_share)
        for key, equal, covering in zip(keys, find_overlaps(texts, instructions), near, strict=True):
            if (equal or covering) and key in rows:
                reason = f"the instruction stands in the benchmark {name}, which no judge may be trained on"
                refused.append(_Refused(str(path), 0, reason, rows.pop(key)))
    return refused
