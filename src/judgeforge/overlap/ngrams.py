"""Overlap of two sets of texts by runs of words, as published decontaminations measure it (13 words for GPT-3).

A text counts as seen when a stated share of its n-grams stands in the training texts. A text of fewer words than n
never does: short answers are stock phrases, equal ones are no sign of a leak.
"""

import re
from collections import Counter
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


def find_covering(texts: Sequence[str], benchmark: Iterable[str], *, size: int, share: float) -> list[bool]:
    """Tell for each of ``texts`` whether a text of the benchmark was seen in it: ``find_seen`` from the other side.

    Args:
        texts: of a training set, each looked at alone.
        benchmark: its texts.
        size: words in an n-gram.
        share: of a benchmark text's n-grams that must be found in one of ``texts``.
    """
    grams = [own for text in benchmark if (own := set(_list_ngrams(text, size)))]
    owners: dict[str, list[int]] = {}
    for number, own in enumerate(grams):
        for gram in own:
            owners.setdefault(gram, []).append(number)
    covering = []
    for text in texts:
        found = {gram for gram in _list_ngrams(text, size) if gram in owners}
        counts = Counter(number for gram in found for number in owners[gram])
        covering.append(any(count >= share * len(grams[number]) for number, count in counts.items()))
    return covering


def _list_ngrams(text: str, size: int) -> Iterator[str]:
    words = _WORD.findall(text.casefold())
    return (" ".join(words[start : start + size]) for start in range(len(words) - size + 1))
