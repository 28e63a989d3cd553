"""What the data set is made of: the paper's table of its training sets, lengths, scores, positions.

Words are what white space parts; tokens are words and marks each by itself, near a tokenizer's count without one.
"""

import re
from typing import Any

import polars as pl

from judgeforge.grading.parsing import JSON_MARKER
from judgeforge.grading.records import Format

_WORD = r"\S+"
_TOKEN = r"\w+|[^\w\s]"  # noqa: S105
_STEPS_PER_DOUBLING = 2

Profile = dict[str, Any]


def compute_profile(rows: pl.DataFrame, examples: pl.DataFrame, *, marker: str) -> Profile:
    """Describe the data set.

    Args:
        rows: that were kept, in the columns that ``prepare`` shares.
        examples: rendered ones, training and validation together: ``format``, ``prompt_id``, ``prompt`` and
            ``completion``.
        marker: of the template, which stands before the verdict of a completion.

    Returns:
        ``table`` (by format), ``scores``, ``positions`` and ``words`` (histograms by column); JSON-ready.
    """
    parts: dict[Format, pl.DataFrame] = {
        kind: _read_completions(examples.filter(pl.col("format") == kind), marker) for kind in ("direct", "pairwise")
    }
    columns = {"instruction": ["prompt_id"], "response": ["prompt_id", "response"], "feedback": None}
    return {
        "table": {kind: _describe(rows, part) for kind, part in parts.items()},
        "scores": _count(rows["score"].drop_nulls().cast(pl.String)),
        "positions": {letter: int((parts["pairwise"]["verdict"] == letter).sum()) for letter in ("A", "B")},
        "words": {name: _spread_words(_take(rows, name, keys)) for name, keys in columns.items()},
    }


def _describe(rows: pl.DataFrame, examples: pl.DataFrame) -> dict[str, Any]:
    used = rows.filter(pl.col("prompt_id").is_in(examples["prompt_id"].unique().implode()))
    levels = pl.col("levels").list.join("\n")
    texts = {
        "instruction": _take(used, "instruction", ["prompt_id"]),
        "response": _take(used, "response", ["prompt_id", "response"]),
        "rubric": used.select((pl.col("criteria") + "\n" + levels).unique(maintain_order=True)).to_series(),
        "reference": _take(used, "reference", ["prompt_id", "reference"]),
        "feedback": examples["feedback"],
        "prompt": examples["prompt"],
    }
    return {
        "rubrics": len(texts["rubric"]),
        "instructions": len(texts["instruction"]),
        "references": len(texts["reference"]),
        "responses": len(texts["response"]),
        "instances": examples.height,
        "feedback": int(texts["feedback"].str.len_chars().gt(0).sum()),
        "feedback_by_verdict": _count(examples["verdict"]),
        "average_words": {name: _average(text, _WORD) for name, text in texts.items()},
        "average_tokens": {name: _average(text, _TOKEN) for name, text in texts.items()},
    }


def _take(rows: pl.DataFrame, column: str, keys: list[str] | None) -> pl.Series:
    """Take the texts of a column, each once where ``keys`` tell them apart."""
    known = rows.filter(pl.col(column).is_not_null())
    return known[column] if keys is None else known.unique(keys, keep="first", maintain_order=True)[column]


def _average(texts: pl.Series, pattern: str) -> float | None:
    mean = texts.str.count_matches(pattern).mean()
    return None if mean is None else round(float(mean), 1)  # type: ignore[arg-type]


def _read_completions(examples: pl.DataFrame, marker: str) -> pl.DataFrame:
    completion = pl.col("completion").str.strip_chars()
    if marker == JSON_MARKER:
        feedback, verdict = (completion.str.json_path_match(f"$.{key}") for key in ("feedback", "verdict"))
    else:
        closing = rf"(?s)^(?P<feedback>.*){re.escape(marker)}\s*(?P<verdict>\S+)$"
        feedback, verdict = (completion.str.extract(closing, group) for group in (1, 2))
    return examples.select(
        "prompt_id", "prompt", feedback=feedback.str.strip_chars().fill_null(""), verdict=verdict.fill_null("none")
    )


def _count(values: pl.Series) -> dict[str, int]:
    counts = dict(values.value_counts().iter_rows())
    return {value: counts[value] for value in sorted(counts, key=lambda value: (len(value), value))}


def _spread_words(texts: pl.Series) -> dict[str, Any]:
    words = texts.str.count_matches(_WORD)
    step = (_STEPS_PER_DOUBLING * words.clip(1).log(2)).floor().cast(pl.Int64)
    counts = dict(step.alias("step").value_counts().iter_rows())
    steps = range(min(counts), max(counts) + 1) if counts else range(0)
    return {
        "texts": len(texts),
        "median": words.median(),
        "p95": words.quantile(0.95, "nearest"),
        "max": words.max(),
        "bins": [
            {"from_words": round(2 ** (step / _STEPS_PER_DOUBLING), 2), "count": counts.get(step, 0)} for step in steps
        ],
    }
