"""When two texts count as the same: equal, or one instruction inside the other, but for case and white space.

Instruction texts are compared, never rendered prompts: those share the template, whose n-grams would flag everything.
"""

from collections.abc import Iterable, Iterator, Sequence

MIN_CONTAINED_CHARACTERS = 30
"""A shorter text inside a longer one ("Who are you?") says nothing; equal texts count at any length."""
MIN_EQUAL_CHARACTERS = 100
"""A shorter response is a stock phrase ("I cannot help with that."): two equal ones are no sign of a leak."""


def normalise(text: str) -> str:
    """Fold case and collapse white space."""
    return " ".join(text.casefold().split())


def find_overlaps(instructions: Sequence[str], training: Iterable[str]) -> list[bool]:
    """Tell for each of ``instructions`` whether a training instruction equals it, contains it or stands in it.

    A text inside another one starts with its own first characters, so these are looked up in all windows of the other:
    time grows with the characters of both sides, not with the number of pairs.

    Args:
        instructions: of a benchmark.
        training: of the training sets.
    """
    prompts = [normalise(text) for text in instructions]
    trained = {normalise(text) for text in training}
    by_opening = _index_openings(trained)
    prompts_by_opening = _index_openings(set(prompts))
    inside = {prompt for text in trained for prompt in _find_contained(text, prompts_by_opening)}
    return [
        prompt in trained or prompt in inside or next(_find_contained(prompt, by_opening), None) is not None
        for prompt in prompts
    ]


def find_equal(responses: Iterable[str], training: Iterable[str]) -> set[str]:
    """Return those of ``responses`` that equal a training response and are no stock phrases."""
    trained = {normalise(text) for text in training}
    return {text for text in responses if len(normalise(text)) >= MIN_EQUAL_CHARACTERS and normalise(text) in trained}


def _index_openings(texts: Iterable[str]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for text in texts:
        if len(text) >= MIN_CONTAINED_CHARACTERS:
            index.setdefault(text[:MIN_CONTAINED_CHARACTERS], []).append(text)
    return index


def _find_contained(text: str, index: dict[str, list[str]]) -> Iterator[str]:
    for start in range(len(text) - MIN_CONTAINED_CHARACTERS + 1):
        for candidate in index.get(text[start : start + MIN_CONTAINED_CHARACTERS], ()):
            if text.startswith(candidate, start):
                yield candidate
