"""One fine-tuning run: data, model, Trainer, resume, and the judge's folder at the end."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, PrinterCallback, set_seed

from judgeforge.files import write_json_lines
from judgeforge.params import TrainParams
from judgeforge.progress import say
from judgeforge.train.adapters import list_notes
from judgeforge.train.arithmetic import Peak, count_arithmetic, find_peak
from judgeforge.train.checkpoints import BAD_UPDATES
from judgeforge.train.dataset import load_lineage
from judgeforge.train.distributed import count_processes, get_rank, is_first, on_first, require_shared
from judgeforge.train.environment import describe_environment
from judgeforge.train.fitting import choose_spread, explain_lack_of_memory, measure_step, warn_if_too_large
from judgeforge.train.fused import compile_modules, fuse_modules, require_liger
from judgeforge.train.guard import StopAtSignal, UpdateGuard
from judgeforge.train.job import Job, count_updates, describe_rows, find_start, load_rows
from judgeforge.train.judge import require_foldable, write_judge
from judgeforge.train.live import LiveLog, Meter, build_curve
from judgeforge.train.loss import CompletionLoss
from judgeforge.train.model import build_model, load_tokenizer
from judgeforge.train.packing import PackingCollator
from judgeforge.train.skeleton import load_skeleton
from judgeforge.train.tokens import TokenRows
from judgeforge.train.trainer import CompletionTrainer, build_arguments
from judgeforge.train.zero import choose_optimizer, gather_weights, loads_in_parts
from judgeforge.training_sets import load_judge_lineage


def train_judge(params: TrainParams, job: Job, run: Any) -> None:
    """Fine-tune the base model and write the judge, resuming where a killed run of these inputs stopped.

    Args:
        params: the section ``train``.
        job: inputs and outputs.
        run: the tracking run.

    Raises:
        InputError: no base model, an empty training set, or no row short enough.
    """
    require_foldable(params, job)
    if params.liger:
        require_liger()
    if params.cpu_threads is not None and not torch.cuda.is_available():
        torch.set_num_threads(params.cpu_threads)
    tokenizer = load_tokenizer(job.base)
    # The first process tokenizes and the others read what it left.
    on_first(partial(_prepare_rows, params, job, tokenizer))
    rows, validation = load_rows(params, job, tokenizer, keep=True)
    checkpoints, resumed = on_first(partial(find_start, params, job))
    require_shared(checkpoints)
    if is_first():
        say(describe_rows(job, rows))
        if resumed:
            say(f"Resuming {job.format} from {resumed.name}.")
        step, spread = measure_step(rows, params), choose_spread(params.distribution)
        warn_if_too_large(load_skeleton(job.base, params), params, step, spread)
    set_seed(params.seed)
    trainer, log = build_trainer(params, job, rows, validation, tokenizer, checkpoints, run)
    stop = StopAtSignal()
    trainer.add_callback(stop)
    if resumed:
        trainer.restore_watch(resumed)
    try:
        if not (resumed and trainer.take_ended(resumed)):
            with stop.listen(), explain_lack_of_memory():
                trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
            stop.require_whole()
        if len(validation) and trainer.state.best_metric is None:
            # At the end, not at each epoch's: a run resumed from a checkpoint taken there would miss that point.
            trainer.evaluate()
    finally:
        log.close()
    lineage = load_lineage(job.data, job.format, [*rows.left_out, *validation.left_out])
    gathered = gather_weights(trainer, adapters_only=params.method != "full")
    on_first(partial(write_judge, trainer, params, job, [lineage, load_judge_lineage(job.base)], gathered))
    if is_first():
        write_json_lines(job.curve, build_curve(trainer.state.log_history))
        shutil.rmtree(checkpoints, ignore_errors=True)


def _prepare_rows(params: TrainParams, job: Job, tokenizer: Any) -> None:
    if count_processes() > 1:
        load_rows(params, job, tokenizer, keep=True)


def build_trainer(
    params: TrainParams,
    job: Job,
    rows: TokenRows,
    validation: TokenRows,
    tokenizer: Any,
    checkpoints: Path,
    run: Any,
) -> tuple[CompletionTrainer, LiveLog]:
    """Build the model and its trainer.

    Args:
        params: the section ``train``.
        job: inputs and outputs; of them the base is read.
        rows: of the training set.
        validation: rows of the validation set; it may be empty.
        tokenizer: the base model's.
        checkpoints: folder of this run's checkpoints.
        run: the tracking run.

    Returns:
        The trainer, and what shows its progress, to be closed.
    """
    # Before the model: with them stands what splits its weights while they are loaded.
    arguments = build_arguments(params, str(checkpoints), count_updates(params, len(rows), count_processes()))
    model = build_model(job.base, params)
    _speed_up(model, params)
    dtype = getattr(torch, params.dtype)
    peak = find_peak(dtype)
    meter = Meter(count_arithmetic(model), peak, count_processes())
    trainer = CompletionTrainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=validation if len(validation) else None,
        data_collator=PackingCollator(tokenizer.pad_token_id),
        processing_class=tokenizer,
        optimizer_cls_and_kwargs=choose_optimizer(params),
        guard=UpdateGuard(params.bad_update, params.max_loss_ratio, job.checkpoints / BAD_UPDATES, tokenizer),
        meter=meter,
        # A head that ZeRO-3 has split is whole only while it is called itself.
        loss=CompletionLoss(model, None if loads_in_parts() else params.loss_chunk_tokens, dtype),
        distribution=params.distribution,
        keep_checkpoints=params.keep_checkpoints,
    )
    if count_processes() > 1:
        set_seed(params.seed + get_rank())  # from here on numbers are drawn for dropout: not the same in each process
    return trainer, _let_watch(trainer, params, job, meter, peak, run)


def _let_watch(
    trainer: CompletionTrainer, params: TrainParams, job: Job, meter: Meter, peak: Peak, run: Any
) -> LiveLog:
    log = LiveLog(run, meter, f"train {job.format}")
    trainer.remove_callback(PrinterCallback)
    if is_first():
        trainer.add_callback(log)
        run.set_tags({"peak_flops": f"{peak.flops:.4g} FLOP/s, {peak.source}"} | describe_environment())
        for note in list_notes(trainer.model, params):
            say(note)
    if params.patience is not None:
        trainer.add_callback(EarlyStoppingCallback(params.patience))
    return log


def _speed_up(model: Any, params: TrainParams) -> None:
    if loads_in_parts():
        return  # a weight is there only while its own module is called
    fuse_modules(model, getattr(torch, params.dtype), adapters_only=params.liger or params.compile)
    if params.compile:
        compile_modules(model)
