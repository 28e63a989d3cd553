"""What one run learns from and where it puts what comes of it; its rows, its updates, its place to go on from."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from judgeforge.errors import InputError
from judgeforge.params import TrainingFormat, TrainParams
from judgeforge.train.checkpoints import TOKENS, compute_run_key, discard_others, find_newest, require_layout
from judgeforge.train.dataset import load_examples
from judgeforge.train.tokens import TokenRows, load_or_tokenize, tokenize_examples


@dataclass(frozen=True)
class Job:
    """What one run learns from, and where it puts what comes of it.

    Args:
        format: ``direct``, ``pairwise``, ``joint`` (both) or ``form`` (both; full weights, to start others from).
        data: the training sets' folder.
        base: the base model's folder.
        checkpoints: this run's checkpoint folder, outside of DVC's outputs.
        out: the judge's folder: weights, tokenizer, templates.
        curve: JSON Lines of step, loss and learning rate.
    """

    format: TrainingFormat
    data: Path
    base: Path
    checkpoints: Path
    out: Path
    curve: Path


def load_rows(params: TrainParams, job: Job, tokenizer: Any, *, keep: bool) -> tuple[TokenRows, TokenRows]:
    """Read and tokenize a run's training set and its validation.

    Args:
        params: the section ``train``.
        job: inputs and outputs.
        tokenizer: the base model's.
        keep: the tokens for the next run of the same inputs, and take those that one has left.

    Raises:
        InputError: an empty training set, or no row short enough.
    """
    files = [*_list_files(job.data), *(path for path in _list_files(job.base) if path.suffix != ".safetensors")]
    key = compute_run_key({"format": job.format, "max_length_tokens": params.max_length_tokens}, files)
    place = job.checkpoints / TOKENS
    if keep:
        discard_others(place, key)
    found = []
    for name, prefix in (("training", ""), ("validation", "validation_")):
        examples = load_examples(job.data, job.format, prefix)
        if keep:
            found.append(load_or_tokenize(place / key / name, examples, tokenizer, params.max_length_tokens))
        else:
            found.append(TokenRows(*tokenize_examples(examples, tokenizer, params.max_length_tokens)))
    rows, validation = found
    if not len(rows):
        raise InputError(
            f"All {len(rows.left_out)} rows of the training set {job.format} have over {params.max_length_tokens} "
            "tokens.",
            "raise train.max_length_tokens.",
        )
    return rows, validation


def describe_rows(job: Job, rows: TokenRows) -> str:
    """Say what a run learns from."""
    left_out = f"; {len(rows.left_out)} longer ones left out" if rows.left_out else ""
    return f"{job.format}: {len(rows)} rows, {rows.tokens:,} tokens, {rows.learnt_tokens:,} of them learnt{left_out}."


def count_updates(params: TrainParams, rows: int, processes: int) -> int:
    """Count the updates of a whole run.

    Args:
        params: the section ``train``.
        rows: of the training set.
        processes: that share them.
    """
    steps = math.ceil(math.ceil(rows / (params.batch_size * processes)) / params.gradient_accumulation)
    return math.ceil(steps * params.epochs)


def find_start(params: TrainParams, job: Job) -> tuple[Path, Path | None]:
    """Find the folder of this run's checkpoints, and the one to go on from; those of other runs are discarded.

    Raises:
        InputError: it is of another number of processes, or of another engine.
    """
    key = compute_run_key(
        {"params": params.model_dump(exclude={"distribution"}), "format": job.format, "torch": torch.__version__},
        [*_list_files(job.data), *_list_files(job.base)],
    )
    checkpoints = job.checkpoints / key
    discard_others(job.checkpoints, key)
    resumed = find_newest(checkpoints)
    if resumed:
        require_layout(resumed, params.distribution)
    return checkpoints, resumed


def _list_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]
