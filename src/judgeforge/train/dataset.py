"""From a training set's conversations to token rows, of which only the judge's own words are learnt."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch.utils.data import Dataset

from judgeforge.errors import InputError
from judgeforge.grading.records import TrainingExample
from judgeforge.grading.rendering import render_chat
from judgeforge.params import TrainingFormat
from judgeforge.training_sets import LINEAGE, LINEAGE_SCHEMA, load_table, load_training_examples

_WIDTH_STEP = 16
"""Widths are multiples of this: kernels are prepared and kept for each shape, and memory grows with their number."""

IGNORED = -100
"""The label that transformers' losses leave out."""


class TokenRows(Dataset[dict[str, Any]]):
    """Tokenized conversations.

    Args:
        rows: per conversation the token ids and the number of them that are the judge's completion, at the end.
        left_out: the ids of conversations that were left out because of their length.
    """

    def __init__(self, rows: list[dict[str, Any]], left_out: Sequence[str]) -> None:
        self.rows, self.left_out = rows, tuple(left_out)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        return [self.rows[index] for index in indices]

    @property
    def too_long(self) -> int:
        """Number of conversations that were left out."""
        return len(self.left_out)

    @property
    def tokens(self) -> int:
        """Number of tokens in all rows."""
        return sum(len(row["input_ids"]) for row in self.rows)

    @property
    def longest(self) -> int:
        """Number of tokens of the longest row."""
        return max(len(row["input_ids"]) for row in self.rows)


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


def tokenize_examples(examples: Sequence[TrainingExample], tokenizer: Any, max_length_tokens: int) -> TokenRows:
    """Tokenize conversations as evaluation renders them, the completion closed by the end-of-turn token.

    A conversation longer than ``max_length_tokens`` is left out rather than cut: a cut one has lost its verdict.
    """
    prompts = [render_chat(tokenizer, list(each.messages[:-1])) for each in examples]
    answers = [each.messages[-1]["content"] for each in examples]
    rows: list[dict[str, Any]] = []
    if examples:
        prompt_ids = tokenizer(prompts, add_special_tokens=False)["input_ids"]
        answer_ids = tokenizer(answers, add_special_tokens=False)["input_ids"]
        for prompt, answer in zip(prompt_ids, answer_ids, strict=True):
            completion = [*answer, tokenizer.eos_token_id]
            rows.append(
                {
                    "input_ids": [*prompt, *completion],
                    "completion_length": len(completion),
                    "length": len(prompt) + len(completion),
                }
            )
    fits = [row["length"] <= max_length_tokens for row in rows]
    left_out = [each.example_id for each, whole in zip(examples, fits, strict=True) if not whole]
    return TokenRows([row for row, whole in zip(rows, fits, strict=True) if whole], left_out)


def round_up(length: int) -> int:
    """Round a number of tokens up to the width of a batch."""
    return -(-length // _WIDTH_STEP) * _WIDTH_STEP


class LeftPadCollator:
    """Pad rows on the left, so that all completions end together and logits are needed for the last columns alone.

    Args:
        pad_token_id: any token; padding is masked.
    """

    def __init__(self, pad_token_id: int) -> None:
        self.pad_token_id = pad_token_id

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return ``input_ids``, ``attention_mask``, ``position_ids`` and ``labels``, each (rows, width)."""
        width = round_up(max(len(row["input_ids"]) for row in rows))
        input_ids, mask, labels = [], [], []
        for row in rows:
            ids, completion = row["input_ids"], row["completion_length"]
            padding = width - len(ids)
            input_ids.append([self.pad_token_id] * padding + ids)
            mask.append([0] * padding + [1] * len(ids))
            labels.append([IGNORED] * (width - completion) + ids[-completion:])
        attention_mask = torch.tensor(mask)
        return {
            "input_ids": torch.tensor(input_ids),
            "attention_mask": attention_mask,
            "position_ids": (attention_mask.cumsum(-1) - 1).clamp(min=0),
            "labels": torch.tensor(labels),
        }
