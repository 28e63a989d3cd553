"""Check on every row that its rendered prompt and answer are what the template makes of its fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import polars as pl

from judgeforge.errors import InputError
from judgeforge.grading.parsing import JSON_MARKER
from judgeforge.grading.records import Format
from judgeforge.grading.templates import FIELD, JudgeTemplate
from judgeforge.prepare.contract.layouts import COLUMNS, REFERENCE, is_blank, select_fields
from judgeforge.prepare.sources.chunks import Chunk

Fit = Literal["exact", "white_space", "prompt_differs", "answer_differs"]

REASONS: dict[str, str] = {
    "prompt_differs": "the prompt is not what the judge template makes of this row's fields",
    "answer_differs": "the output is not this row's feedback, the result marker and the verdict",
}
"""Why a row is set aside, by its fit."""

_SPACE = r"\s+"


@dataclass
class Verifier:
    """Verifies the rows of sources while they are read.

    Args:
        template: recovered from these sources.
        formats: of each source that holds rendered prompts; the others are let through.
        counts: by source, how many of its rows fit how, filled while reading.
    """

    template: JudgeTemplate
    formats: Mapping[str, Format]
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.formats:
            self.counts[name] = dict.fromkeys(get_args(Fit), 0)

    def check(self, source: str, chunk: Chunk, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
        """Split good rows of a chunk into those that fit and those that do not: their index in the chunk, and why.

        Args:
            source: its name.
            chunk: as it was read.
            rows: those of its rows that can be used, in their order, with ``line``.
        """
        if source not in self.formats or not rows.height:
            return rows, []
        places = pl.Series(chunk.lines, dtype=pl.Int64).is_in(rows["line"].implode()).arg_true()
        fits = verify_template(take_columns(chunk)[places], self.template, self.formats[source])
        for fit, count in fits.value_counts().iter_rows():
            self.counts[source][fit] += count
        differs = fits.is_in(list(REASONS))
        faults = zip(places.filter(differs), fits.filter(differs), strict=True)
        return rows.filter(~differs), [(place, REASONS[fit]) for place, fit in faults]


def take_columns(chunk: Chunk) -> pl.DataFrame:
    """Take the columns of the public collections that a chunk has, as texts."""
    names = [name for name in chunk.list_columns() if name in COLUMNS]
    return pl.DataFrame([chunk.get_numerals(name).alias(name) for name in names])


def verify_template(rows: pl.DataFrame, template: JudgeTemplate, format: Format) -> pl.Series:
    """Compare every row's prompt and answer with what ``template`` gives from its fields.

    Args:
        rows: in the columns of ``layouts``.
        template: recovered, or one's own.
        format: of these rows.

    Returns:
        One ``Fit`` a row: byte for byte, equal up to the amount of white space, or which of the two differs.

    Raises:
        InputError: a column of the layout is missing, or the template closes as JSON.
    """
    if template.result_marker == JSON_MARKER:
        raise InputError(
            f"The judge template {template.name} closes as JSON, and upstream's rows do not.",
            "verify rows against the template recovered from them.",
        )
    template = template.pin_five_points()
    fields = select_fields(rows, format)
    clause, section = template.select_reference(format)
    prompt = build_text(template.direct if format == "direct" else template.pairwise, clause, section)
    exact = fields.select(prompt=pl.col("_prompt") == prompt, answer=pl.col("_answer") == _build_answer(template))
    given = exact.select(given=pl.all_horizontal(pl.all())).to_series()
    # White space is folded only where that can matter: it costs more than the comparison of all rows.
    rest = fields.filter(~given)
    differs = rest.select(
        pl.when(_fold(pl.col("_prompt")) != _fold(prompt))
        .then(pl.lit("prompt_differs"))
        .when(_fold(pl.col("_answer")) != _fold(_build_answer(template)))
        .then(pl.lit("answer_differs"))
        .otherwise(pl.lit("white_space"))
        .alias("fit")
    ).to_series()
    fits = pl.Series("fit", ["exact"]).new_from_index(0, len(rows))
    return fits.scatter((~given).arg_true(), differs)


def build_text(pattern: str, clause: str = "", section: str = "") -> pl.Expr:
    """Build the expression that fills ``pattern`` from columns named as its placeholders.

    Args:
        pattern: text with placeholders.
        clause: the reference clause; it and the section are left out where the reference is blank.
        section: the reference section, with ``{reference}``.
    """
    parts = FIELD.split(pattern)
    given: list[pl.Expr] = []
    for number, part in enumerate(parts):
        if number % 2 == 0:
            given.append(pl.lit(part))
        elif part == "reference_clause":
            given.append(_where_shown(pl.lit(clause)))
        elif part == "reference_section":
            given.append(_where_shown(build_text(section) if section else pl.lit("")))
        else:
            given.append(pl.col(part))
    return pl.concat_str(given)


def _where_shown(text: pl.Expr) -> pl.Expr:
    return pl.when(is_blank(REFERENCE)).then(pl.lit("")).otherwise(text)


def _build_answer(template: JudgeTemplate) -> pl.Expr:
    feedback, verdict = pl.col("feedback").str.strip_chars(), pl.col("verdict").str.strip_chars()
    return pl.concat_str([feedback, pl.lit(f" {template.result_marker} "), verdict])


def _fold(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(_SPACE, " ").str.strip_chars()
