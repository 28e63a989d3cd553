"""Layouts: how the rows of a file become items. A benchmark is a layout, its options and its files.

Every response is stripped: white space at its ends tells nothing of its quality, but can tell its author. Pairs in
which there is nothing to compare (equal responses, an empty one) are left out and counted.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from judgeforge.benchmarks.records import BenchmarkItem, Gold
from judgeforge.errors import InputError
from judgeforge.grading.records import FIVE_POINTS, DirectItem, PairwiseItem, Rubric, Scale

Rows = Sequence[Mapping[str, Any]]
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

    def find(self, row: Mapping[str, Any], field: str, default: Any = None) -> Any:
        """Return a field that a row may lack."""
        found = row.get(self.fields.get(field, field))
        return default if found is None else found

    def fault(self, number: int, what: str) -> InputError:
        """Name a bad row."""
        return InputError(f"Row {number} of {self.place} {what}.", "correct that row, or the benchmark's fields.")


class Pairs:
    """Collects pairs and counts those with nothing to compare."""

    def __init__(self) -> None:
        self.items: list[BenchmarkItem] = []
        self._identical, self._empty = 0, 0

    def add(self, item: Mapping[str, Any], first: str, second: str, gold: Gold, group: str) -> None:
        """Add a pair, unless its responses are equal or one is empty.

        Args:
            item: the fields of ``PairwiseItem`` but for the responses.
            first: response A.
            second: response B.
            gold: the better one.
            group: the part of the benchmark.
        """
        response_a, response_b = strip_response(first), strip_response(second)
        if not (response_a and response_b):
            self._empty += 1
        elif response_a == response_b:
            self._identical += 1
        else:
            pair = PairwiseItem(**item, response_a=response_a, response_b=response_b)
            self.items.append(BenchmarkItem(item=pair, gold=gold, group=group))

    def build_notes(self) -> list[str]:
        """Say what was left out."""
        if not (self._identical or self._empty):
            return []
        return [
            f"Left out: {self._identical} pairs of identical responses and {self._empty} pairs with an empty response."
        ]


def strip_response(response: str) -> str:
    """Strip white space; a text of invisible characters alone is empty."""
    stripped = response.strip()
    return stripped if stripped.strip(_INVISIBLE) else ""


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
            value = float(score)
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
        raise source.fault(number, "has no rubric, and the benchmark names none")
    return source.rubric


def build_plain_direct(rows: Rows, source: Source) -> tuple[list[BenchmarkItem], list[str]]:
    """Build items from ``instruction``, ``response`` and ``gold`` (a score, or a list of the graders' scores).

    Where present, ``reference``, ``rubric``, ``group``, ``prompt_id`` and ``item_id`` are read, too.
    """
    items = []
    for number, row in enumerate(rows, start=1):
        rubric = read_rubric(source, row, number)
        scores = read_scores(source, row, number, "gold", rubric.scale)
        instruction = str(source.read(row, number, "instruction"))
        item = DirectItem(
            item_id=str(source.find(row, "item_id", f"{source.name}-{number}")),
            prompt_id=str(source.find(row, "prompt_id", build_prompt_id(source.name, instruction))),
            instruction=instruction,
            response=strip_response(str(source.read(row, number, "response"))),
            reference=source.find(row, "reference"),
            rubric=rubric,
        )
        group = str(source.find(row, "group", ""))
        items.append(BenchmarkItem(item=item, gold=fmean(scores), graders=scores, group=group))
    return items, []


_GOLDS: Mapping[str, Gold] = {"a": "A", "b": "B", "1": "A", "2": "B", "tie": "tie"}


def build_plain_pairwise(rows: Rows, source: Source) -> tuple[list[BenchmarkItem], list[str]]:
    """Build items from ``instruction``, ``response_a``, ``response_b`` and ``gold`` (A, B or tie; 1 or 2).

    All else is as in ``build_plain_direct``. LLMBar's files are read so: their fields are called ``input``,
    ``output_1``, ``output_2`` and ``label``.
    """
    pairs = Pairs()
    for number, row in enumerate(rows, start=1):
        label = str(source.read(row, number, "gold")).strip().lower()
        if label not in _GOLDS:
            raise source.fault(number, f"has the label {label!r}, which is neither A, B nor tie")
        instruction = str(source.read(row, number, "instruction"))
        item = {
            "item_id": str(source.find(row, "item_id", f"{source.name}-{number}")),
            "prompt_id": str(source.find(row, "prompt_id", build_prompt_id(source.name, instruction))),
            "instruction": instruction,
            "reference": source.find(row, "reference"),
            "rubric": read_rubric(source, row, number),
        }
        responses = [str(source.read(row, number, field)) for field in ("response_a", "response_b")]
        pairs.add(item, responses[0], responses[1], _GOLDS[label], str(source.find(row, "group", "")))
    return pairs.items, pairs.build_notes()


def build_chosen_rejected(rows: Rows, source: Source) -> tuple[list[BenchmarkItem], list[str]]:
    """Build items from ``prompt``, ``chosen`` and ``rejected``, each one text or a list, and ``subset``, ``id``.

    RewardBench (one of each) and RewardBench 2 (one chosen, three rejected; several chosen where all are right) come
    so. Every chosen response is paired with every rejected one, all pairs of a prompt in one cluster; half of the
    chosen ones stand first, by hash. RewardBench 2 itself scores a prompt by its best response: the pairs' accuracy is
    another figure.
    """
    triples = list(_pair_up(rows, source))
    first = choose_first(item["item_id"] for item, *_ in triples)
    pairs = Pairs()
    for item, chosen, rejected, group in triples:
        if item["item_id"] in first:
            pairs.add(item, chosen, rejected, "A", group)
        else:
            pairs.add(item, rejected, chosen, "B", group)
    return pairs.items, pairs.build_notes()


def _pair_up(rows: Rows, source: Source) -> Iterator[tuple[dict[str, Any], str, str, str]]:
    for number, row in enumerate(rows, start=1):
        prompt = str(source.read(row, number, "prompt"))
        sides = [source.read(row, number, side) for side in ("chosen", "rejected")]
        chosen, rejected = ([side] if isinstance(side, str) else list(side) for side in sides)
        shared = {
            "prompt_id": build_prompt_id(source.name, prompt),
            "instruction": prompt,
            "rubric": read_rubric(source, row, number),
        }
        for left, better in enumerate(chosen):
            for right, worse in enumerate(rejected):
                item_id = f"{source.name}-{source.find(row, 'id', number)}-{left}-{right}"
                yield shared | {"item_id": item_id}, str(better), str(worse), str(source.find(row, "subset", ""))


Layout = Callable[[Rows, Source], tuple[list[BenchmarkItem], list[str]]]
