"""Reading rows: fields, scores, rubrics and pairs, and a word on what was cleaned.

Every response is stripped: white space at its ends tells nothing of its quality, but can tell its author. Pairs in
which there is nothing to compare (equal responses, an empty one) are left out and counted.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from judgeforge.benchmarks.records import BenchmarkItem, Gold
from judgeforge.errors import InputError
from judgeforge.grading.records import FIVE_POINTS, DirectItem, PairwiseItem, Rubric, Scale

Rows = Sequence[Mapping[str, Any]]
T = TypeVar("T", bound=BaseModel)
_INVISIBLE = "\u200b\ufeff"


@dataclass(frozen=True)
class Source:
    """What a layout is given beside the rows.

    Args:
        name: of the benchmark; the items' ids start with it.
        place: the file, for errors.
        fields: from the layout's field names to the file's, where they differ.
        rubric: for rows that bring none.
        options: the layout's own.
    """

    name: str
    place: str
    fields: Mapping[str, str]
    rubric: Rubric | None
    options: Mapping[str, Any]

    def read(self, row: Mapping[str, Any], number: int, field: str) -> Any:
        """Return a field of row ``number``.

        Raises:
            InputError: it is not there.
        """
        key = self.fields.get(field, field)
        if row.get(key) is None:
            raise self.fault(number, f"has no {key!r}")
        return row[key]

    def read_text(self, row: Mapping[str, Any], number: int, field: str) -> str:
        """Return a field that holds a text, or a number to be taken as one.

        Raises:
            InputError: it is not there, or holds something else, such as the messages of a chat.
        """
        found = self.read(row, number, field)
        if isinstance(found, bool) or not isinstance(found, (str, int, float)):
            raise self.fault(number, f"has in {self.fields.get(field, field)!r} no text, but {type(found).__name__}")
        return str(found)

    def find(self, row: Mapping[str, Any], field: str, default: Any = None) -> Any:
        """Return a field that a row may lack; a blank text is none."""
        found = row.get(self.fields.get(field, field))
        return default if found is None or (isinstance(found, str) and not found.strip()) else found

    def build(self, number: int, kind: type[T], **fields: Any) -> T:
        """Build an item of row ``number``.

        Raises:
            InputError: a field is not as the item wants it.
        """
        try:
            return kind(**fields)
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(str(part) for part in fault["loc"])
            raise self.fault(number, f"has a bad {key}: {fault['msg']}") from error

    def fault(self, number: int, what: str) -> InputError:
        """Name a bad row."""
        return InputError(f"Row {number} of {self.place} {what}.", "correct that row, or the benchmark's fields.")


class Pairs:
    """Collects pairs, and counts those with nothing to compare and the responses that were stripped.

    Args:
        source: of the rows.
    """

    def __init__(self, source: Source) -> None:
        self.items: list[BenchmarkItem] = []
        self._source = source
        self._identical, self._empty, self._stripped = 0, 0, 0

    def add(self, number: int, item: Mapping[str, Any], first: str, second: str, gold: Gold, group: str) -> None:
        """Add a pair, unless its responses are equal or one is empty.

        Args:
            number: of the row.
            item: the fields of ``PairwiseItem`` but for the responses.
            first: response A.
            second: response B.
            gold: the better one.
            group: the part of the benchmark.
        """
        response_a, response_b = strip_response(first), strip_response(second)
        self._stripped += (response_a != first) + (response_b != second)
        if not (response_a and response_b):
            self._empty += 1
        elif response_a == response_b:
            self._identical += 1
        else:
            pair = self._source.build(number, PairwiseItem, **item, response_a=response_a, response_b=response_b)
            self.items.append(BenchmarkItem(item=pair, gold=gold, group=group))

    def build_notes(self) -> list[str]:
        """Say what was left out and changed."""
        notes = []
        if self._identical or self._empty:
            identical = f"{self._identical} pairs of identical responses"
            notes.append(f"Left out: {identical} and {self._empty} pairs with an empty response.")
        return [*notes, *describe_stripping(self._stripped)]


def strip_response(response: str) -> str:
    """Strip white space; a text of invisible characters alone is empty."""
    stripped = response.strip()
    return stripped if stripped.strip(_INVISIBLE) else ""


def describe_stripping(count: int) -> list[str]:
    """Say how many responses lost white space at their ends."""
    return [f"Stripped of white space at their ends: {count:,} responses."] if count else []


def digest(text: str) -> str:
    """Return a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()


def build_prompt_id(name: str, instruction: str) -> str:
    """Return the cluster of an instruction: equal texts share it."""
    return f"{name}-{digest(instruction.strip())[:16]}"


def choose_first(ids: Iterable[str]) -> set[str]:
    """Choose by hash the half of ``ids`` whose better response is placed first."""
    ordered = sorted(ids, key=digest)
    return set(ordered[: len(ordered) // 2])


def read_scores(
    source: Source, row: Mapping[str, Any], number: int, field: str, scale: Scale = FIVE_POINTS
) -> tuple[float, ...]:
    """Read one score or a list of the graders' scores.

    Raises:
        InputError: none, or one that is no number of the scale.
    """
    found = source.read(row, number, field)
    scores = found if isinstance(found, list) else [found]
    if not scores:
        raise source.fault(number, f"has no score in {field!r}")
    numbers = []
    for score in scores:
        try:
            value = math.nan if isinstance(score, bool) else float(score)
        except (TypeError, ValueError):
            raise source.fault(number, f"has the score {score!r}, which is no number") from None
        if math.isnan(value) or not scale.lowest <= value <= scale.highest:
            raise source.fault(number, f"has the score {score}, which is not from {scale.describe()}")
        numbers.append(value)
    return tuple(numbers)


def read_rubric(source: Source, row: Mapping[str, Any], number: int) -> Rubric:
    """Read a row's own rubric, otherwise the benchmark's.

    Raises:
        InputError: there is neither, or it is none.
    """
    own = source.find(row, "rubric")
    if own is not None:
        try:
            return Rubric.model_validate(own)
        except ValueError:
            raise source.fault(number, "has a rubric without criteria and two or more levels") from None
    if source.rubric is None:
        raise InputError(
            f"Row {number} of {source.place} has no rubric, and the benchmark names none.",
            "add the key 'rubric' (criteria and levels) to the benchmark's YAML file, or to every row.",
        )
    return source.rubric


def describe_empty(items: Sequence[BenchmarkItem]) -> list[str]:
    """Say how many direct items have an empty response; they are judged as they are."""
    count = sum(isinstance(each.item, DirectItem) and not each.item.response for each in items)
    return [f"Kept: {count:,} items with an empty response, which people graded, too."] if count else []
