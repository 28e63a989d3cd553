"""One fine-tuning run: data, model, Trainer, resume, and the judge's folder at the end."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import torch
from peft.utils import CONFIG_NAME
from transformers import PrinterCallback, set_seed

from judgeforge.errors import InputError
from judgeforge.files import load_json, write_folder_atomically, write_json, write_json_lines
from judgeforge.grading.templates import load_template, write_template
from judgeforge.params import TrainingFormat, TrainParams
from judgeforge.progress import say
from judgeforge.train.checkpoints import compute_run_key, discard_others, find_newest, require_layout
from judgeforge.train.dataset import LeftPadCollator, TokenRows, load_examples, load_lineage, tokenize_examples
from judgeforge.train.distributed import count_processes, get_rank, is_first, on_first, require_shared
from judgeforge.train.guard import StopAtSignal, UpdateGuard
from judgeforge.train.model import build_model, load_tokenizer
from judgeforge.train.trainer import CompletionTrainer, LiveLog, build_arguments, build_curve
from judgeforge.train.zero import choose_optimizer, gather_weights, require_filled
from judgeforge.training_sets import load_judge_lineage, write_judge_lineage


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


def train_judge(params: TrainParams, job: Job, run: Any) -> None:
    """Fine-tune the base model and write the judge, resuming where a killed run of these inputs stopped.

    Args:
        params: the section ``train``.
        job: inputs and outputs.
        run: the tracking run.

    Raises:
        InputError: no base model, an empty training set, or no row short enough.
    """
    _require_foldable(params, job)
    if params.cpu_threads is not None and not torch.cuda.is_available():
        torch.set_num_threads(params.cpu_threads)
    tokenizer = load_tokenizer(job.base)
    rows, validation = _load_rows(params, job, tokenizer)
    checkpoints, resumed = on_first(partial(_find_start, params, job))
    require_shared(checkpoints)
    if resumed and is_first():
        say(f"Resuming {job.format} from {resumed.name}.")
    set_seed(params.seed)
    trainer, log = _build_trainer(params, job, rows, validation, tokenizer, checkpoints, run)
    stop = StopAtSignal()
    trainer.add_callback(stop)
    try:
        with stop.listen():
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
        stop.require_whole()
        if len(validation):
            # At the end, not at each epoch's: a run resumed from a checkpoint taken there would miss that point.
            trainer.evaluate()
    finally:
        log.close()
    lineage = load_lineage(job.data, job.format, [*rows.left_out, *validation.left_out])
    gathered = gather_weights(trainer, adapters_only=params.method == "lora")
    on_first(partial(_write_judge, trainer, params, job, [lineage, load_judge_lineage(job.base)], gathered))
    if is_first():
        write_json_lines(job.curve, build_curve(trainer.state.log_history))
        shutil.rmtree(checkpoints, ignore_errors=True)


def _require_foldable(params: TrainParams, job: Job) -> None:
    if job.format == "form" and params.method == "lora" and params.distribution.engine == "zero3":
        raise InputError(
            "The form's adapter is folded into weights that engine zero3 has split.",
            "set train.distribution.engine to zero2 or none for it: it is for small models.",
        )


def _find_start(params: TrainParams, job: Job) -> tuple[Path, Path | None]:
    """Find the folder of this run's checkpoints, and the one to go on from."""
    key = compute_run_key(
        {"params": params.model_dump(exclude={"distribution"}), "format": job.format, "torch": torch.__version__},
        [path for folder in (job.data, job.base) for path in sorted(folder.rglob("*")) if path.is_file()],
    )
    checkpoints = job.checkpoints / key
    discard_others(job.checkpoints, key)
    resumed = find_newest(checkpoints)
    if resumed:
        require_layout(resumed, params.distribution)
    return checkpoints, resumed


def _load_rows(params: TrainParams, job: Job, tokenizer: Any) -> tuple[TokenRows, TokenRows]:
    rows = tokenize_examples(load_examples(job.data, job.format), tokenizer, params.max_length_tokens)
    validation = tokenize_examples(
        load_examples(job.data, job.format, "validation_"), tokenizer, params.max_length_tokens
    )
    if not len(rows):
        raise InputError(
            f"All {rows.too_long} rows of the training set {job.format} have over {params.max_length_tokens} tokens.",
            "raise train.max_length_tokens.",
        )
    left_out = f"; {rows.too_long} longer ones left out" if rows.too_long else ""
    if is_first():
        say(f"{job.format}: {len(rows)} rows, {rows.tokens:,} tokens{left_out}.")
    return rows, validation


def _build_trainer(
    params: TrainParams,
    job: Job,
    rows: TokenRows,
    validation: TokenRows,
    tokenizer: Any,
    checkpoints: Path,
    run: Any,
) -> tuple[CompletionTrainer, LiveLog]:
    steps = math.ceil(math.ceil(len(rows) / (params.batch_size * count_processes())) / params.gradient_accumulation)
    # Before the model: with them stands what splits its weights while they are loaded.
    arguments = build_arguments(params, str(checkpoints), math.ceil(steps * params.epochs))
    trainer = CompletionTrainer(
        model=build_model(job.base, params, rows.longest),
        args=arguments,
        train_dataset=rows,
        eval_dataset=validation if len(validation) else None,
        data_collator=LeftPadCollator(tokenizer.pad_token_id),
        processing_class=tokenizer,
        optimizer_cls_and_kwargs=choose_optimizer(params),
        guard=UpdateGuard(params.non_finite, checkpoints, tokenizer),
        distribution=params.distribution,
    )
    if count_processes() > 1:
        set_seed(params.seed + get_rank())  # from here on numbers are drawn for dropout: not the same in each process
    log = LiveLog(run, rows.tokens, f"train {job.format}")
    trainer.remove_callback(PrinterCallback)
    if is_first():
        trainer.add_callback(log)
    return trainer, log


def _write_judge(
    trainer: CompletionTrainer,
    params: TrainParams,
    job: Job,
    lineage: Sequence[pl.DataFrame],
    gathered: dict[str, torch.Tensor] | None,
) -> None:
    folded = job.format == "form"
    model: Any = trainer.model
    tokenizer: Any = trainer.processing_class
    if folded and params.method == "lora":
        # In fp32, so that the sum of weight and update is rounded once.
        model = model.float().merge_and_unload()
    if folded or params.method == "full":
        model = model.to(getattr(torch, params.dtype)) if gathered is None else model
        model.config.use_cache = True
    with write_folder_atomically(job.out) as folder:
        model.save_pretrained(folder, state_dict=gathered)
        require_filled(folder)
        tokenizer.save_pretrained(folder)
        write_template(load_template(job.data), folder)
        write_judge_lineage(lineage, folder)
        (folder / "README.md").unlink(missing_ok=True)  # peft's model card: boilerplate without a fact of ours
        _order_targets(folder / CONFIG_NAME)
        facts = {"format": job.format, "base": str(job.base), "train": params.model_dump(mode="json")}
        write_json(folder / "training.json", facts)


def _order_targets(path: Path) -> None:
    """Sort an adapter's target modules: peft writes a set, so equal judges would differ in bytes from run to run."""
    if path.is_file():
        config = load_json(path)
        write_json(path, config | {"target_modules": sorted(config["target_modules"])})
