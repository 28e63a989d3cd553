"""Keep a training row within a number of tokens, by cutting its response or responses and nothing else.

The rule: a response loses its beginning and keeps its end, and ``CUT`` stands where something is missing. Of a pair the
longer response is cut until both are equally long, then both. As much is kept as fits; a cut falls between words where
there are any. Instruction, reference, rubric and verdict stay whole: a row that is too long without its responses is
dropped, and so is every row that is too long where the rule is ``drop``. What is dropped or cut is counted.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
    exchanges = [_render(item, verdict, template) for item, verdict in rows]
    fitted = []
    for (item, verdict), tokens in zip(rows, count(exchanges), strict=True):
        if tokens <= max_tokens:
            fitted.append(Fitted(item, tokens, "whole"))
            continue
        shorter = None
        if too_long == "truncate":
            shorter = _truncate(item, partial(_fits, verdict, template, count, max_tokens))
        fitted.append(Fitted(shorter, tokens, "cut" if shorter else "dropped"))
    return fitted


def count_fates(fitted: Sequence[Fitted]) -> dict[str, int]:
    """Count the rows that are whole, cut and dropped, and tell the longest."""
    fates = [each.fate for each in fitted]
    counts = {"whole": fates.count("whole"), "cut": fates.count("cut"), "dropped": fates.count("dropped")}
    return counts | {"longest_tokens": max((each.tokens for each in fitted), default=0)}


def _render(item: Item, verdict: Verdict, template: JudgeTemplate) -> Exchange:
    return render_prompt(item, template), render_verdict(verdict, template)


def _fits(verdict: Verdict, template: JudgeTemplate, count: TokenCounter, max_tokens: int, item: Item) -> bool:
    return count([_render(item, verdict, template)])[0] <= max_tokens


def _truncate(item: Item, fits: Callable[[Item], bool]) -> Item | None:
    """Cut ``item`` as little as makes it fit; None if nothing of a response would be left."""
    low, high = 0, max(len(text) for text in _list_responses(item).values())
    # Kept characters: ``low`` fits or is 0, ``high`` does not. Tokens grow with them, if not with every single one.
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(_cut(item, middle)) else (low, middle)
    return _cut(item, low) if low else None


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
