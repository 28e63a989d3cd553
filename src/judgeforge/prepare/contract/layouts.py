"""The columns of the public collections, by the placeholders of a judge template.

An upstream row holds the whole rendered prompt (``instruction``) and answer (``output``) beside the fields of both.
"""

import polars as pl

from judgeforge.errors import InputError
from judgeforge.grading.records import Format

PROMPT, ANSWER = "instruction", "output"
REFERENCE = "reference"

_SHARED = {"instruction": "orig_instruction", "criteria": "orig_criteria"} | {
    f"level_{score}": f"orig_score{score}_description" for score in range(1, 6)
}
PROMPT_COLUMNS: dict[Format, dict[str, str]] = {
    "direct": _SHARED | {"response": "orig_response"},
    "pairwise": _SHARED | {"response_a": "orig_response_A", "response_b": "orig_response_B"},
}
"""The fields of a prompt, but for the reference answer, which may be blank."""

REFERENCE_COLUMN = "orig_reference_answer"
ANSWER_COLUMNS: dict[Format, dict[str, str]] = {
    "direct": {"feedback": "orig_feedback", "verdict": "orig_score"},
    "pairwise": {"feedback": "orig_feedback", "verdict": "orig_preference"},
}
"""The fields of an answer."""

COLUMNS = {PROMPT, ANSWER, REFERENCE_COLUMN}.union(
    *(fields.values() for layout in (PROMPT_COLUMNS, ANSWER_COLUMNS) for fields in layout.values())
)
"""All columns of both collections."""


def find_format(columns: list[str]) -> Format | None:
    """Tell which collection has these columns; None where rendered prompts or fields are missing."""
    for format, fields in PROMPT_COLUMNS.items():
        if {PROMPT, ANSWER, *fields.values(), *ANSWER_COLUMNS[format].values()} <= set(columns):
            return format
    return None


def select_fields(rows: pl.DataFrame, format: Format) -> pl.DataFrame:
    """Take the fields of ``rows`` under their placeholders' names, as text; what is absent is empty.

    Raises:
        InputError: a column of the layout is missing.
    """
    columns = PROMPT_COLUMNS[format] | ANSWER_COLUMNS[format]
    missing = sorted({PROMPT, ANSWER, *columns.values()} - set(rows.columns))
    if missing:
        raise InputError(
            f"These rows have no {', '.join(missing)}: the template of a collection is recovered from its rendered "
            "prompts beside their fields.",
            "give rows in the layout of the Feedback Collection or the Preference Collection, or name a template.",
        )
    reference = pl.col(REFERENCE_COLUMN) if REFERENCE_COLUMN in rows.columns else pl.lit("")
    chosen = [pl.col(column).alias(name) for name, column in columns.items()]
    whole = [pl.col(PROMPT).alias("_prompt"), pl.col(ANSWER).alias("_answer")]
    text = rows.select(*chosen, reference.alias(REFERENCE), *whole).cast(pl.String)
    return text.with_columns(pl.all().fill_null(""))


def is_blank(name: str) -> pl.Expr:
    """Tell where a field has nothing but white space."""
    return pl.col(name).str.strip_chars() == ""
