"""The folder of a trained judge: weights, tokenizer, template, and what it was made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch
from peft.utils import CONFIG_NAME

from judgeforge.errors import InputError
from judgeforge.files import load_json, write_folder_atomically, write_json
from judgeforge.grading.templates import load_template, write_template
from judgeforge.params import TrainParams
from judgeforge.train.adapters import fold_into_whole_base, list_notes
from judgeforge.train.job import Job
from judgeforge.train.zero import require_filled
from judgeforge.training_sets import write_judge_lineage
from judgeforge.weights.digests import hash_weights


def require_foldable(params: TrainParams, job: Job) -> None:
    """Check, before training, that a form's adapters can be folded into its base.

    Raises:
        InputError: the base's weights are split between processes.
    """
    if job.format == "form" and params.method != "full" and params.distribution.engine == "zero3":
        raise InputError(
            "The form's adapter is folded into weights that engine zero3 has split.",
            "set train.distribution.engine to zero2 or none for it: it is for small models.",
        )


def write_judge(
    trainer: Any,
    params: TrainParams,
    job: Job,
    lineage: Sequence[pl.DataFrame],
    gathered: dict[str, torch.Tensor] | None,
) -> None:
    """Write a judge; its folder appears whole or not at all.

    Args:
        trainer: after training.
        params: the section ``train``.
        job: inputs and outputs.
        lineage: rows that the judge and what it started from have seen.
        gathered: whole weights, where each process holds a part of them only.

    Raises:
        InputError: weights are empty.
    """
    model = trainer.model
    notes = list_notes(model, params)
    model = _take_whole(model, params, job, gathered is None)
    with write_folder_atomically(job.out) as folder:
        model.save_pretrained(folder, state_dict=gathered)
        require_filled(folder)
        trainer.processing_class.save_pretrained(folder)
        write_template(load_template(job.data), folder)
        write_judge_lineage(lineage, folder)
        (folder / "README.md").unlink(missing_ok=True)  # peft's model card: boilerplate without a fact of ours
        _order_targets(folder / CONFIG_NAME)
        facts = {
            **{"format": job.format, "base": str(job.base), "train": params.model_dump(mode="json"), "notes": notes},
            # What an adapter is worth nothing without, and differences are taken to: a merge looks whether it is this.
            "base_weights": {path.name: hash_weights(path) for path in sorted(job.base.glob("*.safetensors"))},
        }
        write_json(folder / "training.json", facts)


def _take_whole(model: Any, params: TrainParams, job: Job, is_whole: bool) -> Any:
    folded = job.format == "form"
    if folded and params.method == "lora":
        # In fp32, so that the sum of weight and update is rounded once.
        model = model.float().merge_and_unload()
    elif folded and params.method == "qlora":
        model = fold_into_whole_base(model, job.base)
    if folded or params.method == "full":
        model = model.to(getattr(torch, params.dtype)) if is_whole else model
        model.config.use_cache = True
    return model


def _order_targets(path: Path) -> None:
    """Sort an adapter's targets: peft writes sets, so equal judges would differ in bytes from run to run."""
    if path.is_file():
        config = load_json(path)
        targets = {name: config.get(name) for name in ("target_modules", "target_parameters")}
        write_json(path, config | {name: sorted(each) for name, each in targets.items() if each})
