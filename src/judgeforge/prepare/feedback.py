"""What any teacher writes, and the one that needs no model: pairs' feedback, composed from the two single feedbacks.

Always A, then B, then what they share, then the verdict: the winner shows in the content first, not in the order, and a
judge that writes so has weighed both before it decides. The paper asks a language model for the same three parts.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Protocol

import polars as pl

MAX_WORDS_EACH = 60
"""Shorter feedback is quoted whole; of longer (real feedback has some 100 words), two sentences within this bound."""

_SUBJECT = r"(?i)^(?:(?:the|this) (?:response|answer|assistant)|it)\b"
_NO_SUBJECT = _SUBJECT + r" is (?:clear|evident|important|worth) that"
_INNER_SUBJECT = r"(?i)\b(?:the|this) (?:response|assistant)\b"
_GOOD = 0.8
"""From this share of the scale on a response does well: from 4 of 5."""


TaskName = Literal["pairwise", "direct", "rubric", "reference"]
Frames = Callable[[], Iterator[pl.DataFrame]]
"""Rows of one task, in some frames, again with every call: all at once might not fit the memory."""


class Teacher(Protocol):
    """Writes what rows lack.

    Args:
        writes_direct: whether it writes feedback of single grades; if not, rows without one are set aside.
        writes_references: whether it writes reference answers.
        rubric_levels: of the rubrics that it writes; None: it writes none, and rows without one are set aside.
    """

    writes_direct: bool
    writes_references: bool
    rubric_levels: int | None

    def ask(self, lacking: Mapping[TaskName, Frames]) -> None:
        """Learn of all that is to be written, before any of it is.

        Args:
            lacking: by task; the columns are those of the methods below.

        Raises:
            InputError: it cannot be had, or there is no usable answer for too much of it.
        """
        ...

    def write_direct(self, rows: pl.DataFrame) -> pl.Series:
        """Return the feedback of each row (``GRADED`` with null feedback); null where there is none: it is dropped."""
        ...

    def write_pairwise(self, pairs: pl.DataFrame) -> pl.Series:
        """Return the feedback of each pair; null where there is none: the pair is dropped and counted.

        Args:
            pairs: ``instruction``, ``reference``, ``criteria``, ``levels``, ``lowest``, ``choice`` (A or B, the better
                one), and ``response``, ``score`` (the median), ``feedback`` and ``row`` (a number, equal where it is
                the same response's) of either, ending in ``_a`` and ``_b``.
        """
        ...

    def write_rubrics(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return ``criteria`` and ``levels`` for each ``instruction``; both null where there is no rubric."""
        ...

    def write_references(self, rows: pl.DataFrame) -> pl.Series:
        """Return the reference of each ``instruction``, ``criteria``, ``levels`` and ``lowest``; null where none is."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what was asked and what the answers were worth, for the statistics."""
        ...


class OfflineTeacher:
    """Composes the feedback of a pair out of the two single ones; it can write none of its own."""

    writes_direct = False
    writes_references = False
    rubric_levels: int | None = None

    def ask(self, lacking: Mapping[TaskName, Frames]) -> None:
        """See ``Teacher``: nobody has to be asked."""

    def write_direct(self, rows: pl.DataFrame) -> pl.Series:
        """See ``Teacher``: there is none."""
        return pl.Series("feedback", [None] * rows.height, dtype=pl.String)

    def write_rubrics(self, rows: pl.DataFrame) -> pl.DataFrame:
        """See ``Teacher``: there are none."""
        columns = {"criteria": pl.String(), "levels": pl.List(pl.String())}
        return pl.DataFrame({name: pl.Series([None] * rows.height, dtype=kind) for name, kind in columns.items()})

    def write_references(self, rows: pl.DataFrame) -> pl.Series:
        """See ``Teacher``: there are none."""
        return pl.Series("reference", [None] * rows.height, dtype=pl.String)

    def describe(self) -> dict[str, Any]:
        """See ``Teacher``."""
        return {"kind": "offline"}

    def write_pairwise(self, pairs: pl.DataFrame) -> pl.Series:
        """See ``Teacher``."""
        sides = [pairs.select(row=f"row_{side}", text=f"feedback_{side}") for side in ("a", "b")]
        texts = pl.concat(sides).unique("row")
        quotes = texts.select("row", shorten_feedback(texts["text"]).alias("short")).select(
            "row",
            quote_feedback(pl.col("short"), "A").alias("quote_a"),
            quote_feedback(pl.col("short"), "B").alias("quote_b"),
        )
        quoted = pairs.select("score_a", "score_b", "choice", "levels", "lowest", "row_a", "row_b")
        for side in ("a", "b"):
            part = quotes.select(pl.col("row").alias(f"row_{side}"), f"quote_{side}")
            quoted = quoted.join(part, on=f"row_{side}", how="left", maintain_order="left")
        return quoted.select(
            pl.concat_str("quote_a", pl.lit(" "), "quote_b", pl.lit(" "), _conclude()).alias("feedback")
        ).to_series()


def quote_feedback(text: pl.Expr, letter: str) -> pl.Expr:
    """Make the feedback of one response speak of Response A or B."""
    name = f"Response {letter}"
    speaks = text.str.contains(_SUBJECT) & ~text.str.contains(_NO_SUBJECT)
    named = pl.when(speaks).then(text.str.replace(_SUBJECT, name)).otherwise(text)
    named = named.str.replace_all(_INNER_SUBJECT, name)
    named = pl.when(speaks | named.str.contains(name, literal=True)).then(named).otherwise(pl.lit(f"{name}: ") + named)
    ended = named.str.ends_with(".") | named.str.ends_with("!") | named.str.ends_with("?")
    return pl.when(ended).then(named).otherwise(named + pl.lit("."))


def shorten_feedback(texts: pl.Series) -> pl.Series:
    """Quote short feedback whole, with single spaces; of longer, two sentences within ``MAX_WORDS_EACH`` words."""
    texts = texts.alias("text")
    untidy = _find_untidy(texts)
    if len(untidy):
        texts = texts.scatter(untidy, texts.gather(untidy).str.replace_all(r"\s+", " ").str.strip_chars(" "))
    # What comes after the first word too many cannot matter; there is none in short feedback.
    starts = texts.str.extract(rf"^((?:[^ ]+ ){{{MAX_WORDS_EACH}}}[^ ]+)", 1)
    long = starts.is_not_null()
    if not long.any():
        return texts
    # After a sentence's end and before what can begin one, a line break: there is none left in the text.
    marked = pl.col("text").str.replace_all(r"([.!?]) ([A-Z\"'(])", "${1}\n${2}")
    kept = (
        starts.filter(long)
        .to_frame()
        .select(marked.str.splitn("\n", 3).alias("parts"))
        .select(
            pl.col("parts").struct.field("field_0").alias("one"),
            pl.col("parts").struct.field("field_1").fill_null("").alias("two"),
        )
        .with_columns(pl.concat_str("one", pl.lit(" "), "two").str.strip_chars(" ").alias("both"))
        .select(pl.when(_count_words("both") <= MAX_WORDS_EACH).then("both").otherwise("one").alias("text"))
    )
    words = pl.col("text").str.split(" ").list.head(MAX_WORDS_EACH).list.join(" ")
    cut = words.str.strip_chars_end(",;:") + pl.lit(" ...")
    too_long = kept.select(_count_words("text") > MAX_WORDS_EACH).to_series()
    if too_long.any():
        kept = kept.with_columns(pl.when(too_long).then(cut).otherwise("text").alias("text"))
    return texts.scatter(long.arg_true(), kept["text"])


def _find_untidy(texts: pl.Series) -> pl.Series:
    """Find texts with other white space than single spaces between words: cheap signs first, since most have none."""
    text = pl.col("text")
    plain = text.str.contains(r"[\t-\r]") | text.str.contains("  ", literal=True)
    ends = text.str.starts_with(" ") | text.str.ends_with(" ")
    frame = texts.to_frame().select(plain | ends, foreign=text.str.len_bytes() != text.str.len_chars())
    foreign = frame["foreign"].arg_true()
    found = texts.gather(foreign).str.contains(r"[^\S ]")
    return frame["text"].scatter(foreign.filter(found), True).arg_true()


def _count_words(column: str) -> pl.Expr:
    return pl.col(column).str.count_matches(" ", literal=True) + 1


def _conclude() -> pl.Expr:
    bound = _GOOD * pl.col("levels").list.len() + pl.col("lowest") - 1
    good = (pl.col("score_a") >= bound).cast(pl.Int8) + (pl.col("score_b") >= bound).cast(pl.Int8)
    shared = (
        pl.when(good == 0)
        .then(pl.lit("Neither does well, but"))
        .when(good == 1)
        .then(pl.lit("Only one does well:"))
        .otherwise(pl.lit("Both do well, but"))
    )
    return pl.concat_str(shared, pl.lit(" Response "), "choice", pl.lit(" is better."))
