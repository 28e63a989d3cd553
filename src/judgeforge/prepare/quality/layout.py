"""Which columns a chunk has: graded rows have one response, compared rows two."""

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
