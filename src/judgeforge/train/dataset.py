"""What a training set holds: its conversations, and the rows behind them."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from judgeforge.errors import InputError
from judgeforge.grading.records import TrainingExample
from judgeforge.params import TrainingFormat
from judgeforge.training_sets import LINEAGE, LINEAGE_SCHEMA, load_table, load_training_examples


def load_examples(folder: Path, format: TrainingFormat, prefix: str = "") -> list[TrainingExample]:
    """Read the training set of one format; ``joint`` and ``form`` are both, one after the other.

    Args:
        folder: written by ``prepare``.
        format: which.
        prefix: ``validation_`` for the other side of the split.

    Raises:
        InputError: a missing or broken file, or no row in it.
    """
    formats = ("direct", "pairwise") if format in ("joint", "form") else (format,)
    examples = [each for name in formats for each in load_training_examples(folder, f"{prefix}{name}")]
    if not examples and not prefix:
        raise InputError(f"The training set {format} in {folder} is empty.", "give 'prepare' more graded rows.")
    return examples


def load_lineage(folder: Path, format: TrainingFormat, left_out: Sequence[str]) -> pl.DataFrame:
    """Read which rows stand behind a training set and its validation, without the examples that were left out."""
    names = ("direct", "pairwise") if format in ("joint", "form") else (format,)
    sets = [f"{prefix}{name}" for name in names for prefix in ("", "validation_")]
    used = pl.col("set").is_in(sets) & ~pl.col("example_id").is_in(list(left_out))
    lineage = load_table(folder, LINEAGE, LINEAGE_SCHEMA).filter(used)
    return lineage.with_columns(pl.format("{}/{}", pl.lit(folder.name), "set").alias("set"))
