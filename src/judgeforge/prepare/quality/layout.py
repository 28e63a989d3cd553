"""Which columns a chunk has: graded rows have one response, compared rows two."""

from collections.abc import Callable, Sequence

import polars as pl

_RESPONSES = ("response", "response_a", "response_b")
_OWN = ("row_id", "source", "line", "prompt_id")
"""What tells rows apart, and is nothing to learn from."""


def list_responses(rows: pl.DataFrame) -> list[str]:
    """List the columns with responses."""
    return [name for name in _RESPONSES if name in rows.columns]


def list_texts(rows: pl.DataFrame) -> list[str]:
    """List the columns with texts that people or models wrote, row by row."""
    return ["instruction", *list_responses(rows), "reference", "feedback"]


def list_learnt(rows: pl.DataFrame) -> list[str]:
    """List the columns that are learnt from."""
    return [name for name in rows.columns if name not in _OWN]


def find_rows(rows: pl.DataFrame, columns: Sequence[str], test: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """Find the places of the rows with a text that passes a test; null does not.

    Args:
        rows: a chunk.
        columns: with texts. One that is the same as in the row before, as an instruction often is, is not tested again.
        test: of a text.
    """
    found = (_test_once(pl.col(column), test) for column in columns)
    return rows.select(pl.any_horizontal(found)).to_series().arg_true()


def _test_once(text: pl.Expr, test: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    text = text.fill_null("")
    return test(pl.when(text.ne_missing(text.shift(1))).then(text)).forward_fill()
