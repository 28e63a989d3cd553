"""Overlap of two sets of texts by runs of words, as published decontaminations measure it (13 words for GPT-3).

A text counts as seen when a stated share of its n-grams stands in the training texts. A text of fewer words than n
never does: short answers are stock phrases, equal ones are no sign of a leak.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

_WORD = re.compile(r"\w+")


def find_seen(texts: Sequence[str], training: Iterable[str], *, size: int, share: float) -> list[bool]:
    """Tell for each of ``texts`` whether it was seen in training.

    Memory grows with ``texts``, which are few; ``training`` is read once, whatever its length.

    Args:
        texts: of a benchmark.
        training: of the training sets.
        size: words in an n-gram.
        share: of a text's n-grams that must be found.
    """
    grams = [set(_list_ngrams(text, size)) for text in texts]
    wanted = set().union(*grams)
    found: set[str] = set()
    for text in training:
        found.update(wanted.intersection(_list_ngrams(text, size)))
    return [bool(own) and len(own & found) >= share * len(own) for own in grams]


def _list_ngrams(text: str, size: int) -> Iterator[str]:
    words = _WORD.findall(text.casefold())
    return (" ".join(words[start : start + size]) for start in range(len(words) - size + 1))
