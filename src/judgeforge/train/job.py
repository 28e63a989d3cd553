"""What one run learns from and where it puts what comes of it; its rows, its updates, its place to go on from."""

import importlib.metadata
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judgeforge import grading
from judgeforge.errors import InputError
from judgeforge.params import TrainingFormat, TrainParams
from judgeforge.train import tokens
from judgeforge.train.checkpoints import (
    TOKENS,
    compute_run_key,
    discard_others,
    discard_torn,
    find_newest,
    require_layout,
)
from judgeforge.train.dataset import load_examples
from judgeforge.train.tokens import TokenRows, load_or_tokenize, tokenize_examples

_BESIDE_THE_POINT = {"distribution", "bad_update", "max_loss_ratio", "keep_checkpoints"}
"""Values that change nothing of what was learnt so far: whoever changes them after a fault goes on."""


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
    makers = [*_list_files(Path(grading.__file__).parent), Path(tokens.__file__)]
    values = {"format": job.format, "max_length_tokens": params.max_length_tokens}
    code = [path for path in makers if path.suffix == ".py"]
    key = compute_run_key(values | _find_versions("transformers", "tokenizers"), [*files, *code])
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
    if not len(validation) and params.validate_every_steps is not None:
        raise InputError(
            f"The validation set of {job.format} has no row, and train.validate_every_steps looks at it.",
            "raise prepare.validation_fraction, or set train.validate_every_steps and train.patience to null.",
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
        {"params": params.model_dump(exclude=_BESIDE_THE_POINT), "format": job.format}
        | _find_versions("torch", "transformers", "peft"),
        [*_list_files(job.data), *_list_files(job.base)],
    )
    checkpoints = job.checkpoints / key
    discard_others(job.checkpoints, key)
    discard_torn(checkpoints)
    resumed = find_newest(checkpoints)
    if resumed:
        require_layout(resumed, params.distribution)
    return checkpoints, resumed


def _find_versions(*packages: str) -> dict[str, str]:
    return {package: importlib.metadata.version(package) for package in packages}


def _list_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]
