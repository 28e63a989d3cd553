"""transformers' Trainer with a loss on completion tokens only, whose logits are the only ones computed."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput

from judgeforge.params import DistributionParams, TrainParams
from judgeforge.progress import progress_bar
from judgeforge.train.checkpoints import seal, write_layout
from judgeforge.train.dataset import IGNORED
from judgeforge.train.distributed import count_processes, get_rank, on_first, sum_up
from judgeforge.train.guard import UpdateGuard, require_space
from judgeforge.train.order import LengthGroupedOrder
from judgeforge.train.shares import BatchShares, ShareLoader
from judgeforge.train.zero import count_trained, load_engine


class CompletionTrainer(Trainer):
    """Trainer that asks the model for the logits of the completion's columns alone.

    The vocabulary is the widest matrix of a small model: with a prompt of 200 tokens and an answer of 40, this leaves
    out five sixths of its work and memory.
    """

    def __init__(self, *, guard: UpdateGuard, distribution: DistributionParams, **options: Any) -> None:
        super().__init__(**options)
        self._guard, self._distribution = guard, distribution
        # Asks the Trainer to hand over how many tokens are learnt in the whole update, over all its batches.
        self.model_accepts_loss_kwargs = True

    def get_train_dataloader(self) -> ShareLoader:
        """Load this process's share of each batch, in an order drawn anew for each epoch."""
        rows: Any = self.train_dataset
        together = self.args.train_batch_size * count_processes()
        order = LengthGroupedOrder([row["length"] for row in rows], together, self.args.seed)
        return self._load_shares(rows, order, self.args.train_batch_size, self.args.gradient_accumulation_steps)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> ShareLoader:
        """Load this process's share of the validation rows, whose losses are all added up."""
        rows: Any = self.eval_dataset if eval_dataset is None else eval_dataset
        return self._load_shares(rows, range(len(rows)), self.args.eval_batch_size, accumulation=len(rows) + 1)

    def _load_shares(self, rows: Any, order: Any, batch_size: int, accumulation: int) -> ShareLoader:
        return ShareLoader(
            rows,
            batch_sampler=BatchShares(order, batch_size, count_processes(), get_rank(), accumulation),
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def evaluation_loop(
        self,
        dataloader: Any,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Return the loss a token over all processes; the Trainer's own gathers batches, which differ in length."""
        model: Any = self.model_wrapped
        model.eval()
        sums = torch.zeros(2, dtype=torch.float64, device="cpu")
        for batch in dataloader:
            inputs = self._prepare_inputs(batch)
            sums[1] += int((inputs["labels"] != IGNORED).sum())
            with torch.no_grad(), self.compute_loss_context_manager():
                sums[0] += float(self.compute_loss(model, inputs, num_items_in_batch=count_processes()))
        loss, tokens = sum_up(sums).tolist()
        metrics = {f"{metric_key_prefix}_loss": loss / max(tokens, 1)}
        nothing: Any = ()
        return EvalLoopOutput(predictions=nothing, label_ids=None, metrics=metrics, num_samples=len(dataloader.dataset))

    def compute_loss(
        self, model: Any, inputs: dict[str, torch.Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the cross-entropy summed over completion tokens, divided by their number in the whole update."""
        if model.training:
            self._guard.remember(inputs)
        labels = inputs.pop("labels")
        learnt = labels != IGNORED
        columns = int((labels.shape[1] - learnt.float().argmax(dim=1)).max())
        outputs = model(**inputs, logits_to_keep=columns + 1)
        # Column i predicts token i + 1, so the last column predicts nothing.
        logits = outputs.logits[:, :-1].float()
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels[:, -columns:].flatten(), ignore_index=IGNORED, reduction="sum"
        )
        # Gradients are averaged over processes, but the update's number of tokens is that of all of them.
        loss = loss / learnt.sum() if num_items_in_batch is None else loss * count_processes() / num_items_in_batch
        return (loss, outputs) if return_outputs else loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[no-untyped-call]
        self._guard.check(float(norm), model, self.state.global_step + 1)
        return norm

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(str(self.args.output_dir))
        on_first(partial(require_space, folder, count_trained(model)))
        super()._save_checkpoint(model, trial)
        on_first(partial(self._seal, folder / f"checkpoint-{self.state.global_step}"))

    def _seal(self, checkpoint: Path) -> None:
        write_layout(checkpoint, self._distribution)
        seal(checkpoint)


class LiveLog(TrainerCallback):
    """Show a bar, and send the curve to the tracking run as it grows.

    Args:
        run: the tracking run (``judgeforge.tracking``).
        tokens: number of tokens of one epoch.
        description: shown before the bar.
    """

    def __init__(self, run: Any, tokens: int, description: str) -> None:
        self._run, self._tokens, self._description = run, tokens, description
        self._bar: Any = None
        self._opened: Any = None
        self._clock = (time.monotonic(), 0.0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Open the bar."""
        self._opened = progress_bar()
        self._bar = self._opened.__enter__()
        self._task = self._bar.add_task(self._description, total=state.max_steps, note="", completed=state.global_step)
        self._clock = (time.monotonic(), state.epoch or 0.0)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Advance the bar."""
        self._bar.update(self._task, completed=state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, **extra: Any) -> None:
        """Send a point of the curve; the speed is that since the last point."""
        values = {name: value for name, value in _rename(extra["logs"]).items() if name != "epoch"}
        now, epoch = time.monotonic(), state.epoch or 0.0
        if "loss" in values:
            values["tokens_per_second"] = self._tokens * (epoch - self._clock[1]) / max(now - self._clock[0], 1e-9)
            self._bar.update(self._task, note=f"loss {values['loss']:.3f}, {values['tokens_per_second']:,.0f} tokens/s")
            self._clock = (now, epoch)
        if values:
            self._run.log_metrics(values, step=state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the bar."""
        self.close()

    def close(self) -> None:
        """Close the bar if it is open."""
        if self._opened is not None:
            self._opened.__exit__(None, None, None)
            self._opened = None


def _rename(logs: dict[str, float]) -> dict[str, float]:
    names = {"loss": "loss", "learning_rate": "learning_rate", "eval_loss": "validation_loss", "epoch": "epoch"}
    return {names[key]: value for key, value in logs.items() if key in names}


def build_arguments(params: TrainParams, checkpoints: str, updates: int) -> TrainingArguments:
    """Translate ``params`` into transformers' arguments.

    Args:
        params: the section ``train``.
        checkpoints: folder of this run's checkpoints.
        updates: number of updates in the whole run.
    """
    on_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=checkpoints,
        per_device_train_batch_size=params.batch_size,
        per_device_eval_batch_size=params.batch_size,
        gradient_accumulation_steps=params.gradient_accumulation,
        num_train_epochs=params.epochs,
        learning_rate=params.learning_rate,
        lr_scheduler_type=params.scheduler,
        warmup_steps=round(params.warmup_ratio * updates),
        weight_decay=params.weight_decay,
        max_grad_norm=params.max_grad_norm,
        seed=params.seed,
        data_seed=params.seed,
        # Of LoRA, too: the adapters are held in fp32, and multiplied in it they take as long as the frozen weights.
        bf16=params.dtype == "bfloat16",
        use_cpu=not on_gpu,
        gradient_checkpointing=params.gradient_checkpointing,
        logging_steps=params.log_every_steps,
        prediction_loss_only=True,
        save_steps=params.checkpoint_every_steps,
        save_total_limit=params.keep_checkpoints,
        # A loss that is not finite must show.
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
        deepspeed=load_engine(params.distribution),
        # All that is trained takes part in every batch: to look for what does not would cost time.
        ddp_find_unused_parameters=False,
    )


def build_curve(log_history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Turn the Trainer's log into the curve file: one object a point, without timings (equal runs, equal files)."""
    points: dict[int, dict[str, float]] = {}
    for entry in log_history:
        values = _rename(entry)
        if "loss" in values or "validation_loss" in values:
            points.setdefault(int(entry["step"]), {"step": int(entry["step"])}).update(values)
    return [dict(sorted(points[step].items())) for step in sorted(points)]
