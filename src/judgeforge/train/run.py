"""One fine-tuning run: data, model, Trainer, resume, and the judge's folder at the end."""

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import EarlyStoppingCallback, PrinterCallback, set_seed

from judgeforge.files import write_json_lines
from judgeforge.params import TrainParams
from judgeforge.progress import say
from judgeforge.train.adapters import list_notes
from judgeforge.train.arithmetic import count_arithmetic, find_peak
from judgeforge.train.dataset import load_lineage
from judgeforge.train.environment import describe_environment
from judgeforge.train.fitting import choose_spread, measure_step, warn_if_too_large
from judgeforge.train.fused import compile_modules, fuse_modules
from judgeforge.train.guard import StopAtSignal, UpdateGuard
from judgeforge.train.job import Job, count_updates, describe_rows, find_start, load_rows
from judgeforge.train.judge import write_judge
from judgeforge.train.live import LiveLog, Meter, build_curve
from judgeforge.train.loss import CompletionLoss
from judgeforge.train.model import build_model, load_tokenizer
from judgeforge.train.packing import PackingCollator
from judgeforge.train.skeleton import load_skeleton
from judgeforge.train.tokens import TokenRows
from judgeforge.train.trainer import CompletionTrainer, build_arguments
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
    if params.cpu_threads is not None and not torch.cuda.is_available():
        torch.set_num_threads(params.cpu_threads)
    tokenizer = load_tokenizer(job.base)
    rows, validation = load_rows(params, job, tokenizer, keep=True)
    say(describe_rows(job, rows))
    checkpoints, resumed = find_start(params, job)
    if resumed:
        say(f"Resuming {job.format} from {resumed.name}.")
    warn_if_too_large(load_skeleton(job.base, params), params, measure_step(rows, params), choose_spread())
    set_seed(params.seed)
    trainer, log = _build_trainer(params, job, rows, validation, tokenizer, checkpoints, run)
    stop = StopAtSignal()
    trainer.add_callback(stop)
    if resumed:
        trainer.restore_watch(resumed)
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
    write_judge(trainer, params, job, [lineage, load_judge_lineage(job.base)])
    write_json_lines(job.curve, build_curve(trainer.state.log_history))
    shutil.rmtree(checkpoints, ignore_errors=True)


def _build_trainer(
    params: TrainParams,
    job: Job,
    rows: TokenRows,
    validation: TokenRows,
    tokenizer: Any,
    checkpoints: Path,
    run: Any,
) -> tuple[CompletionTrainer, LiveLog]:
    model = build_model(job.base, params)
    for note in list_notes(model, params):
        say(note)
    dtype = getattr(torch, params.dtype)
    fuse_modules(model, dtype, adapters_only=params.liger or params.compile)
    if params.compile:
        compile_modules(model)
    peak = find_peak(dtype)
    run.set_tags({"peak_flops": f"{peak.flops:.4g} FLOP/s, {peak.source}"} | describe_environment())
    meter = Meter(count_arithmetic(model), peak)
    trainer = CompletionTrainer(
        model=model,
        args=build_arguments(params, str(checkpoints), count_updates(params, len(rows), 1)),
        train_dataset=rows,
        eval_dataset=validation if len(validation) else None,
        data_collator=PackingCollator(tokenizer.pad_token_id),
        processing_class=tokenizer,
        guard=UpdateGuard(params.bad_update, params.max_loss_ratio, checkpoints, tokenizer),
        meter=meter,
        loss=CompletionLoss(model, params.loss_chunk_tokens),
    )
    log = LiveLog(run, meter, f"train {job.format}")
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(log)
    if params.patience is not None:
        trainer.add_callback(EarlyStoppingCallback(params.patience))
    return trainer, log
