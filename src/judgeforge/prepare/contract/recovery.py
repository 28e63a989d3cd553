"""Recover a judge template from rows that hold the rendered prompt beside its fields (Feedback/Preference Collection).

Small groups of rows are fitted each for itself; the pattern that gives most of all rows exactly is the template, and
the others are counted. Rows with and without a reference answer are fitted apart, and what the former have more is the
reference clause and section. The system prompt is not in the rows.
"""

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import polars as pl

from judgeforge.errors import InputError
from judgeforge.grading.records import Format
from judgeforge.prepare.contract.fitting import fit_pattern
from judgeforge.prepare.contract.layouts import ANSWER_COLUMNS, PROMPT_COLUMNS, REFERENCE, is_blank, select_fields
from judgeforge.prepare.contract.reference import Parts, infer_reference, join_variants
from judgeforge.prepare.contract.verification import build_text

_GROUPS, _GROUP_ROWS = 8, 6
_MOST_LOOKED_AT = 500
"""Rows looked at for one group."""
_CANDIDATES = 16
"""Patterns of one group that are compared: more than one only where its rows are all alike."""


@dataclass(frozen=True)
class RecoveredPart:
    """One format's part of a template.

    Args:
        parts: the user message with its placeholders, the reference clause and section.
        result_marker: what stands before the verdict.
        answer: the form of the answers: ``{feedback} [RESULT] {verdict}``. judgeforge writes answers by the marker,
            with single spaces around it, whatever the spaces here.
        rows: of which the part was recovered.
        exact: how many of these it gives byte for byte, prompt and answer; the others are the dissent.
        inferred: what the rows did not show, in words; empty if they showed all.
    """

    format: Format
    parts: Parts
    result_marker: str
    answer: str
    rows: int
    exact: int
    inferred: str


def recover_part(rows: pl.DataFrame, format: Format, *, seed: int) -> RecoveredPart:
    """Recover the part of ``format`` from upstream rows.

    Args:
        rows: in the columns of ``layouts``; a few thousand do, more only sharpen the counts.
        format: of these rows.
        seed: of the choice of the groups.

    Raises:
        InputError: missing columns, or no template that gives most of the rows.
    """
    fields = select_fields(rows, format)
    answer, answered = _fit_best(fields, "_answer", list(ANSWER_COLUMNS[format]), seed)
    if not answer.startswith("{feedback}") or not answer.endswith("{verdict}"):
        raise InputError(
            f"The answers of these rows have the form {answer!r}.",
            "give rows whose output is the feedback, a marker and the verdict, in that order.",
        )
    marker = answer.removeprefix("{feedback}").removesuffix("{verdict}").strip()
    if not marker:
        raise InputError("The answers of these rows have no marker before the verdict.", "name a template instead.")
    parts, inferred, rendered = _recover_prompt(fields, format, seed)
    exact = int((rendered & answered).sum())
    return RecoveredPart(format, parts, marker, answer, len(rows), exact, inferred)


def _recover_prompt(fields: pl.DataFrame, format: Format, seed: int) -> tuple[Parts, str, pl.Series]:
    names = list(PROMPT_COLUMNS[format])
    variants = [
        (fields.filter(~is_blank(REFERENCE)), [*names, REFERENCE]),
        (fields.filter(is_blank(REFERENCE)), names),
    ]
    main, other = sorted(variants, key=lambda variant: -len(variant[0]))
    patterns = {len(main[1]): _fit_best(main[0], "_prompt", main[1], seed)[0]}
    # A few odd rows without (or with) a reference are dissent, no fault.
    with contextlib.suppress(InputError):
        patterns[len(other[1])] = _fit_best(other[0], "_prompt", other[1], seed)[0]
    shown, hidden = patterns.get(len(names) + 1), patterns.get(len(names))
    parts = join_variants(shown, hidden) if shown and hidden else None
    inferred = ""
    if parts is None:
        parts = infer_reference(patterns[len(main[1])])
        known, unknown = ("with", "without") if REFERENCE in main[1] else ("without", "with")
        inferred = f"recovered from the rows {known} a reference answer: the prompt {unknown} one is inferred"
    text = build_text(parts.text, parts.reference_clause, parts.reference_section or "")
    return parts, inferred, fields.select(text == pl.col("_prompt")).to_series()


def _fit_best(fields: pl.DataFrame, whole: str, names: list[str], seed: int) -> tuple[str, pl.Series]:
    """Return the pattern that gives most rows, and which rows it gives.

    Raises:
        InputError: none gives more than half of them.
    """
    tried: dict[str, pl.Series] = {}
    for group in _draw_groups(fields, whole, names, seed):
        found = fit_pattern(group[whole].to_list(), group.select(names).to_dict(as_series=False))
        for pattern in islice(found, _CANDIDATES):
            if pattern not in tried:
                tried[pattern] = fields.select(build_text(pattern) == pl.col(whole)).to_series()
        if any(2 * int(given.sum()) > len(fields) for given in tried.values()):
            break
    best = max(tried, key=lambda pattern: int(tried[pattern].sum()), default=None)
    if best is None or 2 * int(tried[best].sum()) <= len(fields):
        what = "prompts" if whole == "_prompt" else "answers"
        raise InputError(
            f"No one template gives most of the {what} of these {len(fields)} rows from their fields.",
            "name a template in prepare.template, or give rows of one collection in its own columns.",
        )
    return best, tried[best]


def _draw_groups(fields: pl.DataFrame, whole: str, names: list[str], seed: int) -> Iterator[pl.DataFrame]:
    """Draw groups of rows whose fields are full and differ; first of rows whose fixed text has the usual length."""
    lengths = pl.col(whole).str.len_chars().cast(pl.Int64) - pl.sum_horizontal(
        pl.col(name).str.len_chars().cast(pl.Int64) for name in names
    )
    full = pl.all_horizontal(~is_blank(name) for name in names)
    marked = fields.with_row_index("_row").with_columns(_length=lengths, _full=full)
    usual = pl.lit(marked["_length"].mode().min(), pl.Int64)
    rng = random.Random(seed)
    for number in range(_GROUPS):
        # A field that the template shows twice makes every length its own: then any row may come.
        pool = marked.filter(pl.col("_length") == usual) if number % 2 == 0 else marked
        pool = pool.filter("_full") if pool["_full"].any() else pool
        chosen: dict[str, set[str]] = {name: set() for name in names}
        rows: list[int] = []
        for row in rng.sample(range(len(pool)), min(len(pool), _MOST_LOOKED_AT)):
            values = {name: pool[name][row] for name in names}
            if all(value not in chosen[name] for name, value in values.items()):
                rows.append(row)
                for name, value in values.items():
                    chosen[name].add(value)
            if len(rows) == _GROUP_ROWS:
                break
        if rows:
            yield pool[rows]
