"""Find the fixed text that several rows share: each is that text with its own fields put in at the same places.

The text up to the next field is the same in all rows, and so is which field comes next; its value is known in each row.
A field that looks like fixed text or like another field in one row does not in the others, so few rows settle it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix

from judgeforge.grading.templates import FIELD, fill

_MOST_STEPS = 5_000
"""Places tried before a group of rows is given up: rows that agree need about one for each field."""


@dataclass
class _Search:
    texts: Sequence[str]
    fields: Mapping[str, Sequence[str]]
    steps: int = 0
    pieces: list[str] = field(default_factory=list)


def fit_pattern(texts: Sequence[str], fields: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the patterns, with ``{field}`` placeholders, that give every text from its fields. Every field is placed.

    Args:
        texts: one a row.
        fields: by name, the values of the same rows.
    """
    search = _Search(texts, fields)
    for pattern in _extend(search, [0] * len(texts)):
        filled = (fill(pattern, {name: values[row] for name, values in fields.items()}) for row in range(len(texts)))
        # Fixed text that looks like a placeholder of ours cannot be written down in a template.
        if set(FIELD.findall(pattern)) == set(fields) and all(map(str.__eq__, filled, texts)):
            yield pattern


def find_shared_head(texts: Sequence[str]) -> str:
    """Return the longest text that all of ``texts`` begin with."""
    return commonprefix(texts)  # noqa: RUF071  (texts, not paths: by characters is what is wanted)


def _extend(search: _Search, starts: list[int]) -> Iterator[str]:
    search.steps += 1
    if search.steps > _MOST_STEPS:
        return
    rests = [text[start:] for text, start in zip(search.texts, starts, strict=True)]
    shared = find_shared_head(rests)
    placed = {piece[1:-1] for piece in search.pieces[1::2]}
    if len(placed) == len(search.fields) and all(rest == shared for rest in rests):
        yield "".join([*search.pieces, shared])
        return
    found = [
        (place, name in placed, name)
        for name, values in search.fields.items()
        for place in _find_places(rests, values, len(shared))
    ]
    for place, _, name in sorted(found):
        search.pieces += [shared[:place], "{" + name + "}"]
        values = search.fields[name]
        yield from _extend(search, [start + place + len(value) for start, value in zip(starts, values, strict=True)])
        del search.pieces[-2:]


def _find_places(rests: Sequence[str], values: Sequence[str], last: int) -> Iterator[int]:
    """Yield the places, up to ``last``, at which every rest goes on with its value."""
    longest = max(range(len(values)), key=lambda row: len(values[row]))
    if not values[longest]:
        return
    place = rests[longest].find(values[longest])
    while 0 <= place <= last:
        if all(rest.startswith(value, place) for rest, value in zip(rests, values, strict=True)):
            yield place
        place = rests[longest].find(values[longest], place + 1)
