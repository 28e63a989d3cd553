"""Which rows can be used: told for whole columns at once, and what is wrong with a bad row for it alone."""

from typing import Any

import polars as pl

from judgeforge.grading.records import Choice, Scale
from judgeforge.params.sources import Constant, FeedbackColumns, PreferenceColumns
from judgeforge.prepare.rows import COMPARED, GRADED
from judgeforge.prepare.sources.chunks import Chunk, has_surrogate, write_numeral
from judgeforge.prepare.split import compute_prompt_id

Layout = FeedbackColumns | PreferenceColumns
Fault = tuple[int, str]
"""Index of a bad row in its chunk, and the reason."""

_CHOICES: tuple[Choice, ...] = ("A", "B")
_MAY_BE_EMPTY = ("response", "response_a", "response_b")


class Checker:
    """Checks chunks of one source.

    Args:
        layout: its columns.
        levels: how many levels a rubric must have, as the judge template shows them; None: any number from two.
        blank_feedback: whether a graded row may come without feedback.
        written_levels: how many levels the teacher's rubric has where a row has none; None: a row must have one.
    """

    def __init__(
        self, layout: Layout, levels: int | None, blank_feedback: bool, written_levels: int | None = None
    ) -> None:
        self._layout, self._levels, self._written_levels = layout, levels, written_levels
        self._graded = isinstance(layout, FeedbackColumns)
        answers = ("response",) if self._graded else ("response_a", "response_b")
        may_lack = self._graded and blank_feedback
        lacking = [*(["feedback"] if may_lack else []), *([] if written_levels is None else ["criteria"])]
        self._texts = [name for name in ("instruction", *answers, "criteria", "feedback") if name not in lacking]
        self._optional = ["reference", *lacking]

    def check(self, chunk: Chunk, prefix: str) -> tuple[pl.DataFrame, list[Fault]]:
        """Split a chunk into rows of the shared frame (``GRADED`` or ``COMPARED``) and faults.

        Args:
            chunk: of the source.
            prefix: what the ids of rows without one of their own begin with.
        """
        count = len(chunk.lines)
        frame = pl.DataFrame({"line": pl.Series(chunk.lines, dtype=pl.Int64)})
        good = pl.Series([True] * count, dtype=pl.Boolean)
        for name in (*self._texts, *self._optional):
            column, others = self._read_texts(chunk, name)
            frame = frame.with_columns(column.str.strip_chars().alias(name))
            good = good & _mark(others, count)
        frame = frame.with_columns(
            *(pl.when(pl.col(name) != "").then(name).alias(name) for name in self._optional), self._read_levels(chunk)
        )
        frame = self._read_verdict(frame, chunk)
        frame = self._read_ids(frame, chunk, prefix)
        usable = [pl.col(name).is_not_null() for name in self._texts if name in _MAY_BE_EMPTY]
        usable += [pl.col(name).str.len_bytes() > 0 for name in self._texts if name not in _MAY_BE_EMPTY]
        usable += [pl.col("row_id").is_not_null(), pl.col("verdict").is_not_null()]
        has_rubric = pl.col("criteria").is_not_null() & pl.col("levels").is_not_null()
        usable.append(has_rubric if self._written_levels is None else has_rubric | self._find_rubricless(frame, chunk))
        good = good & frame.select(pl.all_horizontal(usable).fill_null(False)).to_series()
        faults = [(index, self.explain(chunk.get_raw(index))) for index in (~good).arg_true().to_list()]
        return self._finish(frame.filter(good)), faults

    def explain(self, raw: dict[str, Any]) -> str:
        """Say what is wrong with a row, by the user's names of its columns."""
        found: list[str | None] = [self._explain_text(raw, name) for name in (*self._texts, *self._optional)]
        found.append(None if self._lacks_rubric(raw) else self._explain_levels(raw))
        found.append(self._explain_score(raw) if self._graded else self._explain_choice(raw))
        own = self._layout.id
        if own is not None and not _can_be_an_id(raw.get(own)):
            found.append(f"{own} is no id: neither a text nor a whole number")
        return "; ".join(reason for reason in found if reason) or "holds what cannot be read as text"

    def find_id(self, raw: dict[str, Any]) -> str | None:
        """Return the id that a row brings, even a bad one."""
        own = self._layout.id
        value = raw.get(own) if own is not None else None
        return str(value).strip() if _can_be_an_id(value) else None

    def _column(self, name: str) -> Any:
        return getattr(self._layout, name)

    def _read_texts(self, chunk: Chunk, name: str) -> tuple[pl.Series, list[int]]:
        column = self._column(name)
        if column is None or isinstance(column, Constant):
            value = None if column is None else column.value
            return pl.Series(name, [value] * len(chunk.lines), dtype=pl.String), []
        return chunk.get_texts(column)

    def _read_levels(self, chunk: Chunk) -> pl.Expr | pl.Series:
        """Read the levels, null where they cannot be used."""
        columns = self._layout.levels
        if columns is None:
            return pl.lit(None, dtype=pl.List(pl.String)).alias("levels")
        if isinstance(columns, Constant):
            return pl.lit(pl.Series([list(columns.value)], dtype=pl.List(pl.String))).first().alias("levels")
        if isinstance(columns, tuple):
            texts = [chunk.get_texts(name)[0].str.strip_chars().alias(f"{index}") for index, name in enumerate(columns)]
            frame = pl.DataFrame(texts)
            whole = pl.all_horizontal(pl.all().str.len_bytes() > 0).fill_null(False)
            fits = self._levels in (None, len(columns))
            return frame.select(pl.when(whole & fits).then(pl.concat_list(pl.all())).alias("levels")).to_series()
        lists = chunk.get_lists(columns)[0].alias("levels").to_frame()
        stripped = pl.col("levels").list.eval(pl.element().str.strip_chars())
        whole = pl.col("levels").list.eval(pl.element().str.len_bytes().fill_null(0) > 0).list.all()
        enough = (
            pl.col("levels").list.len() >= 2 if self._levels is None else pl.col("levels").list.len() == self._levels
        )
        return lists.with_columns(stripped).select(pl.when(whole & enough).then("levels").alias("levels")).to_series()

    def _find_rubricless(self, frame: pl.DataFrame, chunk: Chunk) -> pl.Series:
        """Find the rows in which every part of the rubric is missing or blank."""
        columns, lacking = self._layout.levels, frame["criteria"].is_null()
        if isinstance(columns, Constant):
            return pl.repeat(False, frame.height, eager=True)
        if isinstance(columns, str):
            lists, others = chunk.get_lists(columns)
            return lacking & (lists.list.len().fill_null(0) == 0) & _mark(others, frame.height)
        for name in columns or ():
            texts, others = chunk.get_texts(name)
            lacking = lacking & (texts.str.strip_chars().fill_null("") == "") & _mark(others, frame.height)
        return lacking

    def _lacks_rubric(self, raw: dict[str, Any]) -> bool:
        """Tell the same of one row."""
        criteria, levels = self._layout.criteria, self._layout.levels
        if self._written_levels is None or isinstance(criteria, Constant) or isinstance(levels, Constant):
            return False
        if isinstance(levels, str):
            return _is_blank(raw.get(str(criteria))) and raw.get(levels) in (None, [])
        return all(_is_blank(raw.get(name)) for name in ([criteria, *levels] if levels and criteria else []))

    def _read_verdict(self, frame: pl.DataFrame, chunk: Chunk) -> pl.DataFrame:
        if isinstance(self._layout, FeedbackColumns):
            texts = chunk.get_numerals(self._layout.score).str.strip_chars()
            plain = texts.str.contains(r"^(0|[1-9][0-9]{0,3})$").fill_null(False)
            score = texts.set(~plain, None).cast(pl.Int64).alias("verdict")
            step = pl.col("verdict") - self._layout.lowest
            levels = pl.coalesce(pl.col("levels").list.len(), pl.lit(self._written_levels))
            on_scale = (step >= 0) & (step < levels)
            return frame.with_columns(score).with_columns(pl.when(on_scale).then("verdict").alias("verdict"))
        texts = chunk.get_texts(self._layout.preference)[0].str.strip_chars()
        return frame.with_columns(texts.set(~texts.is_in(_CHOICES).fill_null(False), None).alias("verdict"))

    def _read_ids(self, frame: pl.DataFrame, chunk: Chunk, prefix: str) -> pl.DataFrame:
        if self._layout.id is None:
            return frame.with_columns(pl.format("{}:{}", pl.lit(prefix), "line").alias("row_id"))
        ids = chunk.get_numerals(self._layout.id).str.strip_chars().alias("row_id")
        return frame.with_columns(ids.set((ids == "").fill_null(False), None))

    def _finish(self, frame: pl.DataFrame) -> pl.DataFrame:
        known: dict[str, str] = {}
        ids = [known.get(text) or known.setdefault(text, compute_prompt_id(text)) for text in frame["instruction"]]
        frame = frame.rename({"verdict": "score" if self._graded else "choice"})
        schema = GRADED if self._graded else COMPARED
        frame = frame.with_columns(
            pl.Series("prompt_id", ids, dtype=pl.String),
            pl.lit("").alias("source"),
            pl.lit(self._layout.lowest).alias("lowest"),
        )
        return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())

    def _explain_text(self, raw: dict[str, Any], name: str) -> str | None:
        column = self._column(name)
        required = name in self._texts or (name == "criteria" and not self._lacks_rubric(raw))
        if isinstance(column, Constant):
            return None if str(column.value).strip() else f"{name} is blank"
        if column is None:
            return f"{name} is missing: there is no column for it" if required else None
        return explain_text(column, raw.get(column), required=required, blank=name in _MAY_BE_EMPTY)

    def _explain_levels(self, raw: dict[str, Any]) -> str | None:
        columns = self._layout.levels
        if columns is None:
            return None
        if isinstance(columns, Constant):
            return self._explain_count("the rubric", len(columns.value))
        if isinstance(columns, tuple):
            reasons = [explain_text(name, raw.get(name), required=True, blank=False) for name in columns]
            return "; ".join(filter(None, reasons)) or self._explain_count("the rubric", len(columns))
        value = raw.get(columns)
        if value is None:
            return f"{columns} is missing"
        if not isinstance(value, list) or any(explain_text("", level, True, False) for level in value):
            return f"{columns} is not a list of texts"
        return self._explain_count(columns, len(value))

    def _explain_count(self, name: str, count: int) -> str | None:
        if self._levels is not None and count != self._levels:
            return f"{name} has {count} levels, and the judge template shows {self._levels}"
        return f"{name} has fewer than two levels" if count < 2 else None

    def _explain_score(self, raw: dict[str, Any]) -> str | None:
        assert isinstance(self._layout, FeedbackColumns)  # noqa: S101 - for the type checker
        name = self._layout.score
        value = raw.get(name)
        if value is None:
            return f"{name} is missing"
        columns = self._layout.levels
        levels = columns.value if isinstance(columns, Constant) else columns
        listed = levels if isinstance(levels, tuple) else raw.get(levels or "")
        count = len(listed) if isinstance(listed, list | tuple) else self._levels or 2
        if self._written_levels is not None and self._lacks_rubric(raw):
            count = self._written_levels
        scale = Scale(self._layout.lowest, self._layout.lowest + count - 1)
        text = write_numeral(value)
        if isinstance(text, str) and text.strip() in {str(score) for score in scale.scores}:
            return None
        return f"{name}: {value!r} is not a whole score from {scale.describe()}"

    def _explain_choice(self, raw: dict[str, Any]) -> str | None:
        assert isinstance(self._layout, PreferenceColumns)  # noqa: S101
        name = self._layout.preference
        value = raw.get(name)
        if value is None:
            return f"{name} is missing"
        known = isinstance(value, str) and value.strip() in _CHOICES
        return None if known else f"{name}: {value!r} is neither A nor B"


def explain_text(name: str, value: Any, required: bool, blank: bool) -> str | None:
    """Say why a value is no text that can be used; None if it is one."""
    if value is None:
        return f"{name} is missing" if required else None
    if not isinstance(value, str):
        return f"{name}: {type(value).__name__} instead of text"
    if has_surrogate(value):
        return f"{name}: holds a lone surrogate, which UTF-8 cannot"
    return f"{name} is blank" if required and not blank and not value.strip() else None


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _can_be_an_id(value: Any) -> bool:
    return (isinstance(value, str) and bool(value.strip()) and not has_surrogate(value)) or type(value) is int


def _mark(others: list[int], count: int) -> pl.Series:
    good = pl.Series([True] * count, dtype=pl.Boolean)
    return good if not others else good.scatter(others, False)
