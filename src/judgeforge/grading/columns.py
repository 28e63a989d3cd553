"""The rendering of ``rendering.py`` for whole columns at once: the same text to the byte, tested to be.

``prepare`` alone needs it; a judge at work sees one item at a time.
"""

import json
import re
from collections.abc import Callable

import polars as pl

from judgeforge.grading.parsing import JSON_MARKER
from judgeforge.grading.records import Format
from judgeforge.grading.templates import JudgeTemplate

_FIELD = re.compile(r"\{(\w+)\}")
_LEVEL = re.compile(r"level_(\d+)")
_BLANKS = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""What ``str.strip`` takes for white space."""


def count_template_levels(template: JudgeTemplate) -> int | None:
    """Return how many levels of a rubric the template shows; None: as many as there are."""
    numbers = [int(number) for number in _LEVEL.findall(template.direct)]
    return max(numbers) if numbers else None


def render_prompts(template: JudgeTemplate, format: Format) -> pl.Expr:
    """Build the user's message out of the columns of an item.

    Args:
        template: the judge template.
        format: which message of it.

    The columns: ``instruction``, ``criteria``, ``levels``, ``lowest`` (score), ``response`` (or ``response_a`` and
    ``response_b``), and ``reference``, null or blank where none is shown.
    """
    has_reference = pl.col("reference").fill_null("") != ""
    clause, section_text = template.select_reference(format)
    lowest = pl.col("lowest").cast(pl.Int64)
    ends = {"lowest": lowest, "highest": lowest + pl.col("levels").list.len() - 1}

    def get_of_section(field: str) -> pl.Expr:
        return ends[field].cast(pl.String) if field in ends else pl.col("reference")

    section = _fill(section_text, get_of_section)

    def get(field: str) -> pl.Expr:
        if level := _LEVEL.fullmatch(field):
            return pl.col("levels").list.get(int(level[1]) - 1, null_on_oob=False)
        if field in ends:
            return ends[field].cast(pl.String)
        if field == "levels" and template.level_line is not None:
            return _render_levels(template.level_line)
        if field == "reference_clause":
            return pl.when(has_reference).then(pl.lit(clause)).otherwise(pl.lit(""))
        if field == "reference_section":
            return pl.when(has_reference).then(section).otherwise(pl.lit(""))
        return pl.col(field)

    return _fill(template.direct if format == "direct" else template.pairwise, get)


def render_verdicts(template: JudgeTemplate, closing: str) -> pl.Expr:
    """Build the judge's message out of the columns ``feedback`` and ``closing`` (a score or a letter)."""
    feedback = pl.col("feedback").str.strip_chars(_BLANKS)
    if template.result_marker == JSON_MARKER:
        return pl.struct(feedback.alias("feedback"), pl.col(closing).alias("verdict")).map_elements(
            lambda verdict: json.dumps(verdict, ensure_ascii=False), return_dtype=pl.String
        )
    marker = pl.lit(f" {template.result_marker} ")
    return pl.concat_str(feedback, marker, pl.col(closing).cast(pl.String))


def _render_levels(line: str) -> pl.Expr:
    def render(rubrics: pl.Series) -> pl.Series:
        levels = rubrics.struct.unnest().with_row_index("row").explode("levels")
        score = pl.col("lowest") + pl.int_range(pl.len()).over("row")
        parts = {"score": score.cast(pl.String), "level": pl.col("levels")}
        lines = levels.select("row", _fill(line, parts.__getitem__).alias("line"))
        return lines.group_by("row", maintain_order=True).agg(pl.col("line").str.join("\n"))["line"]

    return pl.struct("levels", "lowest").map_batches(render, return_dtype=pl.String)


def _fill(text: str, get: Callable[[str], pl.Expr]) -> pl.Expr:
    """Do as ``templates.fill``."""
    parts: list[pl.Expr] = []
    for index, part in enumerate(_FIELD.split(text)):
        if index % 2:
            parts.append(get(part))
        elif part:
            parts.append(pl.lit(part))
    return pl.concat_str(parts)
