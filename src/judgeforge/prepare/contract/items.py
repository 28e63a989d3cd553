"""The token budget on rows by columns: all are rendered and counted, those too long looked at one by one."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from judgeforge.grading.columns import render_prompts, render_verdicts
from judgeforge.grading.records import DirectItem, Format, PairwiseItem, Rubric, Verdict
from judgeforge.grading.templates import JudgeTemplate
from judgeforge.params import TokenBudgetParams
from judgeforge.prepare.contract.budget import Item, TokenCounter, TooLong, count_fates, fit_to_budget
from judgeforge.prepare.contract.tokens import find_tokenizer, load_token_counter

_SLICE = 2_000
"""Rows whose tokens are held at once."""
_RESPONSES: dict[Format, tuple[str, ...]] = {"direct": ("response",), "pairwise": ("response_a", "response_b")}


@dataclass
class TokenBudget:
    """Keeps rendered rows within a number of tokens.

    Args:
        template: that renders them.
        count: counts the tokens of whole conversations.
        max_tokens: of prompt and answer together.
        too_long: what to do with a longer row.
        fates: by set, how many rows were ``whole``, ``cut`` and ``dropped``, and ``longest_tokens``, filled in ``fit``.
    """

    template: JudgeTemplate
    count: TokenCounter
    max_tokens: int
    too_long: TooLong
    fates: dict[str, dict[str, int]] = field(default_factory=dict)

    def fit(self, name: str, format: Format, items: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that fit, some of them with cut responses.

        Args:
            name: of their set.
            format: of all of them.
            items: what ``render_prompts`` and ``render_verdicts`` take, with ``prompt_id`` and ``example_id``.
        """
        tokens = self._count_tokens(items, format)
        long = tokens > self.max_tokens
        rows = [_build_row(row, format) for row in items.filter(long).iter_rows(named=True)]
        fitted = fit_to_budget(rows, self.template, self.count, self.max_tokens, self.too_long)
        self._note(name, tokens, count_fates(fitted))
        kept = pl.Series([each.item is not None for each in fitted], dtype=pl.Boolean)
        places = long.arg_true()
        for column in _RESPONSES[format]:
            texts = pl.Series([getattr(each.item, column) for each in fitted if each.item], dtype=pl.String)
            items = items.with_columns(items[column].scatter(places.filter(kept), texts))
        return items.filter((~long).scatter(places.filter(kept), True))

    def _count_tokens(self, items: pl.DataFrame, format: Format) -> pl.Series:
        counts: list[int] = []
        system = {"role": "system", "content": self.template.system}
        for part in items.iter_slices(_SLICE):
            texts = part.select(
                render_prompts(self.template, format).alias("user"),
                render_verdicts(self.template, "closing").alias("assistant"),
            )
            counts += self.count(
                [([system, {"role": "user", "content": user}], answer) for user, answer in texts.iter_rows()]
            )
        return pl.Series("tokens", counts, dtype=pl.Int64)

    def _note(self, name: str, tokens: pl.Series, found: dict[str, int]) -> None:
        counts = Counter(self.fates.get(name, {}))
        longest = max(counts.pop("longest_tokens", 0), int(tokens.max() or 0))  # type: ignore[arg-type]
        counts.update({"whole": len(tokens) - found["cut"] - found["dropped"]})
        counts.update({fate: found[fate] for fate in ("cut", "dropped")})
        self.fates[name] = {**counts, "longest_tokens": longest}


def require_tokenizer(params: TokenBudgetParams) -> None:
    """Check, before rows are read and teachers paid, that there is a tokenizer to count by.

    Raises:
        InputError: there is none.
    """
    if params.max_tokens is not None and params.tokenizer is not None:
        find_tokenizer(Path(params.tokenizer))


def build_token_budget(params: TokenBudgetParams, template: JudgeTemplate) -> TokenBudget | None:
    """Build the budget of the stage; None: there is no limit.

    Raises:
        InputError: there is no tokenizer to count by.
    """
    if params.max_tokens is None or params.tokenizer is None:
        return None
    return TokenBudget(template, load_token_counter(Path(params.tokenizer)), params.max_tokens, params.too_long)


def _build_row(row: dict[str, Any], format: Format) -> tuple[Item, Verdict]:
    shared = {
        "item_id": row["example_id"],
        "prompt_id": row["prompt_id"],
        "instruction": row["instruction"],
        "reference": row["reference"],
        "rubric": Rubric(criteria=row["criteria"], levels=row["levels"], lowest=row["lowest"]),
        **{name: row[name] for name in _RESPONSES[format]},
    }
    if format == "direct":
        return DirectItem(**shared), Verdict(feedback=row["feedback"], score=row["closing"])
    return PairwiseItem(**shared), Verdict(feedback=row["feedback"], choice=row["closing"])
