"""Keep a training row within a number of tokens, by cutting its response or responses and nothing else.

The rule: a response loses its beginning and keeps its end, and ``CUT`` stands where something is missing. Of a pair the
longer response is cut until both are equally long, then both. As much is kept as fits; a cut falls between words where
there are any. Instruction, reference, rubric and verdict stay whole: a row that is too long without its responses is
dropped, and so is every row that is too long where the rule is ``drop``. What is dropped or cut is counted.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from judgeforge.grading.records import DirectItem, Message, PairwiseItem, Verdict
from judgeforge.grading.rendering import render_prompt, render_verdict
from judgeforge.grading.templates import JudgeTemplate

CUT = "… "
"""Stands before what is left of a response."""

_LONGEST_WORD = 40
"""Characters of a broken word that are given up so that a cut falls between words."""

_SPACE = re.compile(r"\s")

Exchange = tuple[list[Message], str]
"""What a judge is asked, and its answer."""

TokenCounter = Callable[[Sequence[Exchange]], list[int]]
TooLong = Literal["drop", "truncate"]
Item = DirectItem | PairwiseItem


@dataclass(frozen=True)
class Fitted:
    """What became of one row.

    Args:
        item: as it is taught; None if the row is dropped.
        tokens: of the row as it came.
        fate: ``whole``, ``cut`` or ``dropped``.
    """

    item: Item | None
    tokens: int
    fate: Literal["whole", "cut", "dropped"]


def fit_to_budget(
    rows: Sequence[tuple[Item, Verdict]],
    template: JudgeTemplate,
    count: TokenCounter,
    max_tokens: int,
    too_long: TooLong,
) -> list[Fitted]:
    """Return what becomes of each row, in order.

    Args:
        rows: items with the verdicts that are taught.
        template: that renders them.
        count: counts the tokens of whole conversations, many at a time.
        max_tokens: of prompt and answer together.
        too_long: what to do with a longer row.
    """
    found = count([_render(item, verdict, template) for item, verdict in rows])
    searches = {
        place: _Search(item, verdict, high=max(map(len, _list_responses(item).values())), high_tokens=tokens)
        for place, ((item, verdict), tokens) in enumerate(zip(rows, found, strict=True))
        if tokens > max_tokens and too_long == "truncate"
    }
    # All rows search side by side: a tokenizer is quick with many texts and slow with one.
    while waiting := [each for each in searches.values() if not each.is_done(max_tokens)]:
        proposed = [each.propose(max_tokens) for each in waiting]
        cut = [
            _render(_cut(each.item, kept), each.verdict, template) for each, kept in zip(waiting, proposed, strict=True)
        ]
        for each, kept, tokens in zip(waiting, proposed, count(cut), strict=True):
            each.learn(kept, tokens, max_tokens)
    fitted = []
    for place, ((item, _), tokens) in enumerate(zip(rows, found, strict=True)):
        search = searches.get(place)
        if tokens <= max_tokens:
            fitted.append(Fitted(item, tokens, "whole"))
        elif search and search.low > 0:
            fitted.append(Fitted(_cut(item, search.low), tokens, "cut"))
        else:
            fitted.append(Fitted(None, tokens, "dropped"))
    return fitted


def count_fates(fitted: Sequence[Fitted]) -> dict[str, int]:
    """Count the rows that are whole, cut and dropped, and tell the longest."""
    fates = [each.fate for each in fitted]
    counts = {"whole": fates.count("whole"), "cut": fates.count("cut"), "dropped": fates.count("dropped")}
    return counts | {"longest_tokens": max((each.tokens for each in fitted), default=0)}


@dataclass
class _Search:
    """The search for the most characters of a response that fit: ``low`` do (-1: not known yet), ``high`` do not.

    Tokens grow with characters about evenly, if not with every single one; every other step halves what is left.
    """

    item: Item
    verdict: Verdict
    high: int
    high_tokens: int
    low: int = -1
    low_tokens: int = 0
    halve: bool = False

    def is_done(self, max_tokens: int) -> bool:
        """Tell whether no more can fit."""
        return self.high - self.low <= 1 or (self.low > 0 and self.low_tokens == max_tokens)

    def propose(self, max_tokens: int) -> int:
        """Say how many characters to try."""
        if self.low < 0:
            return 0
        width = self.high - self.low
        share = (max_tokens - self.low_tokens) / (self.high_tokens - self.low_tokens)
        step = width // 2 if self.halve else int(width * share)
        self.halve = not self.halve
        return self.low + min(max(step, 1), width - 1)

    def learn(self, kept: int, tokens: int, max_tokens: int) -> None:
        """Narrow the search by what was tried."""
        if tokens <= max_tokens:
            self.low, self.low_tokens = kept, tokens
        else:
            self.high, self.high_tokens = kept, tokens


def _render(item: Item, verdict: Verdict, template: JudgeTemplate) -> Exchange:
    return render_prompt(item, template), render_verdict(verdict, template)


def _list_responses(item: Item) -> dict[str, str]:
    names = ("response",) if isinstance(item, DirectItem) else ("response_a", "response_b")
    return {name: getattr(item, name) for name in names}


def _cut(item: Item, kept: int) -> Item:
    responses = {name: _keep_end(text, kept) for name, text in _list_responses(item).items()}
    return item.model_copy(update=responses)


def _keep_end(text: str, kept: int) -> str:
    if len(text) <= kept:
        return text
    end = text[len(text) - kept :]
    space = _SPACE.search(end, 0, _LONGEST_WORD)
    if space and not text[-kept - 1].isspace() and end[space.end() :].strip():
        end = end[space.end() :]
    return CUT + end.lstrip()
