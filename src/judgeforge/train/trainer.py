"""transformers' Trainer on packed batches, with a loss on completion tokens and a look at each update beforehand."""

from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from transformers import EarlyStoppingCallback, Trainer, TrainerState, TrainingArguments

from judgeforge.files import load_json, write_json
from judgeforge.params import DistributionParams, TrainParams
from judgeforge.train.checkpoints import rotate, seal, write_layout
from judgeforge.train.distributed import count_processes, find_largest, get_rank, on_first, sum_up
from judgeforge.train.guard import UpdateGuard, require_space
from judgeforge.train.live import Meter
from judgeforge.train.loss import CompletionLoss
from judgeforge.train.order import EpochOrder
from judgeforge.train.packing import FILLER, IGNORED
from judgeforge.train.shares import BatchShares, ShareLoader
from judgeforge.train.zero import count_trained, load_engine

_WATCH = "watch.json"
"""What guard and meter remember, in a checkpoint."""


class CompletionTrainer(Trainer):
    """Trainer of judges.

    Args:
        guard: lets updates through.
        meter: counts tokens.
        loss: of a batch.
        distribution: over processes.
        keep_checkpoints: how many stay.
        options: the Trainer's own.
    """

    def __init__(
        self,
        *,
        guard: UpdateGuard,
        meter: Meter,
        loss: CompletionLoss,
        distribution: DistributionParams,
        keep_checkpoints: int,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._guard, self._meter, self._loss, self._distribution = guard, meter, loss, distribution
        self._keep = keep_checkpoints
        # Asks the Trainer to hand over how many tokens are learnt in the whole update, over all its batches.
        self.model_accepts_loss_kwargs = True

    def get_train_dataloader(self) -> ShareLoader:
        """Load this process's share of each batch, in an order drawn anew for each epoch."""
        rows: Any = self.train_dataset
        order = EpochOrder(len(rows), self.args.seed)
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

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the cross-entropy summed over completion tokens, divided by their number in the whole update."""
        labels, filler = inputs.pop("labels"), inputs.pop(FILLER)
        total, outputs = self._loss.compute(model, inputs, labels)
        learnt = (labels != IGNORED).sum()
        # Gradients are averaged over processes, but the update's number of tokens is that of all of them.
        loss = total / learnt if num_items_in_batch is None else total * count_processes() / num_items_in_batch
        if model.training:
            self._guard.remember(inputs["input_ids"], inputs["row_lengths"], loss)
            lengths = inputs["row_lengths"]
            self._meter.add(lengths[:-1] if filler else lengths, int(learnt))
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure the loss on the validation set: the mean over its completion tokens, however they are batched."""
        model: Any = self.model_wrapped
        model.eval()
        sums = torch.zeros(2, dtype=torch.float64)
        with torch.no_grad(), self.compute_loss_context_manager():
            for batch in self.get_eval_dataloader():
                inputs: Any = self._prepare_inputs(batch)
                labels, _filler = inputs.pop("labels"), inputs.pop(FILLER)
                total, _outputs = self._loss.compute(model, inputs, labels)
                sums += torch.stack([total.double(), (labels != IGNORED).sum().double()]).cpu()
        total_loss, tokens = sum_up(sums).tolist()
        metrics = {"eval_loss": total_loss / max(tokens, 1)}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[no-untyped-call]
        self._guard.check(float(norm), model, self.state.global_step + 1)
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log; the loss is the mean over all updates since the last point, also over those before a restart."""
        if "loss" in logs and self._guard.unlogged:
            logs["loss"] = mean(self._guard.unlogged)
            self._guard.unlogged.clear()
        super().log(logs, start_time)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(str(self.args.output_dir))
        on_first(partial(require_space, folder, count_trained(model), self._distribution.engine))
        super()._save_checkpoint(model, trial)
        find_largest(0)  # each process has written its part
        on_first(partial(self._seal, folder / f"checkpoint-{self.state.global_step}"))

    def _seal(self, checkpoint: Path) -> None:
        watch = {"losses": self._guard.losses, "unlogged": self._guard.unlogged, "tokens_seen": self._meter.seen}
        write_json(checkpoint / _WATCH, watch | {"ended": self._has_ended()})
        write_layout(checkpoint, self._distribution)
        seal(checkpoint)
        rotate(checkpoint.parent, self._keep, self.state.best_model_checkpoint)

    def _has_ended(self) -> bool:
        patient = [each for each in self.callback_handler.callbacks if isinstance(each, EarlyStoppingCallback)]
        tired = any(each.early_stopping_patience_counter >= each.early_stopping_patience for each in patient)
        return tired or self.state.global_step >= self.state.max_steps

    def restore_watch(self, checkpoint: Path) -> None:
        """Let guard and meter go on where a checkpoint left them."""
        watch = load_json(checkpoint / _WATCH)
        self._guard.losses[:], self._guard.unlogged[:] = watch["losses"], watch["unlogged"]
        self._meter.seen = watch["tokens_seen"]

    def take_ended(self, checkpoint: Path) -> bool:
        """Take weights and history of a run whose training had ended when it was killed; tell whether it had.

        DeepSpeed's parts come together in its engine alone, so that such a run goes through its end again.
        """
        if self._distribution.engine != "none" or not load_json(checkpoint / _WATCH)["ended"]:
            return False
        self.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        best = self.state.best_model_checkpoint if self.args.load_best_model_at_end else None
        self._load_from_checkpoint(best or str(checkpoint))
        return True


def build_arguments(params: TrainParams, checkpoints: str, updates: int) -> TrainingArguments:
    """Translate ``params`` into transformers' arguments.

    Args:
        params: the section ``train``.
        checkpoints: folder of this run's checkpoints.
        updates: number of updates in the whole run.
    """
    arguments = _translate(params, checkpoints, updates)
    if arguments.n_gpu > 1:
        # One process has one GPU here; transformers would split each batch over all that it sees.
        arguments._n_gpu = 1
    return arguments


def _translate(params: TrainParams, checkpoints: str, updates: int) -> TrainingArguments:
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
        gradient_checkpointing_kwargs={"use_reentrant": False},
        use_liger_kernel=params.liger,
        # The loss is our own: of packed batches, on completion tokens.
        liger_kernel_config={"cross_entropy": False, "fused_linear_cross_entropy": False} if params.liger else None,
        logging_steps=params.log_every_steps,
        eval_strategy="no" if params.validate_every_steps is None else "steps",
        eval_steps=params.validate_every_steps,
        save_steps=params.checkpoint_every_steps,
        restore_callback_states_from_checkpoint=True,
        load_best_model_at_end=params.patience is not None,
        metric_for_best_model="eval_loss" if params.patience is not None else None,
        greater_is_better=False if params.patience is not None else None,
        # A loss that is not finite must show.
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
        # Packing is a copy of a few kilobytes; on a GPU even that waits for no one.
        dataloader_num_workers=2 if on_gpu else 0,
        deepspeed=load_engine(params.distribution),
        # All that is trained takes part in every batch: to look for what does not would cost time.
        ddp_find_unused_parameters=False,
    )
