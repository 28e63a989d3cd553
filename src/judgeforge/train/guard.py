"""What keeps a run from being lost: a bad update, a signal to stop, and a disk that is nearly full."""

import math
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any, Literal

import torch
from transformers import TrainerCallback

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.files import write_json_lines
from judgeforge.progress import say
from judgeforge.train.distributed import count_processes, find_largest, gather_texts, is_first, sum_up

_MOST_SKIPPED = 10
"""Updates in a row that may be skipped: more are no accident of one batch."""
_LOSSES_KEPT = 20
"""Updates whose losses the next one's is held against."""
_BYTES_A_TRAINED_WEIGHT = 12
"""In fp32: the weight and AdamW's two moments."""
_BYTES_BESIDE = 4
_SPARE = 1.1
_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""What schedulers and spot machines announce their end by."""


@dataclass
class UpdateGuard:
    """Looks at each update before it is applied: at its gradient, and at its loss beside those of the last updates.

    Args:
        action: at a bad one ``stop`` the run, or ``skip`` the update: the weights stay as they are.
        max_loss_ratio: most that an update's loss may be of the median of the last ones; None: whatever it is.
        folder: where the batches of such an update are written.
        tokenizer: turns them into text.
        losses: of the last updates, the newest last.
        unlogged: losses of the updates since the last point of the curve.
        skipped: updates that were skipped.
    """

    action: Literal["stop", "skip"]
    max_loss_ratio: float | None
    folder: Path
    tokenizer: Any
    losses: list[float] = field(default_factory=list)
    unlogged: list[float] = field(default_factory=list)
    skipped: int = 0
    _in_a_row: int = 0
    _batches: list[Sequence[torch.Tensor]] = field(default_factory=list)
    _loss: list[torch.Tensor] = field(default_factory=list)

    def remember(self, input_ids: torch.Tensor, row_lengths: Sequence[int], loss: torch.Tensor) -> None:
        """Keep what goes into the coming update.

        Args:
            input_ids: (1, tokens), of one of its packed batches.
            row_lengths: tokens of each row in it.
            loss: that batch's part of the update's.
        """
        self._batches.append(torch.split(input_ids[0], list(row_lengths)))
        self._loss.append(loss.detach())

    def check(self, norm: float, model: Any, update: int) -> None:
        """Let a good update through.

        Args:
            norm: of the whole gradient.
            model: whose gradients are dropped where the update is skipped.
            update: its number, from 1.

        Raises:
            InputError: it is bad, and the action is to stop, or too many in a row were skipped.
        """
        batches, self._batches = self._batches, []
        loss, self._loss = float(sum_up(torch.stack(self._loss).sum().double().cpu())) / count_processes(), []
        fault = self._find_fault(norm, loss)
        if fault is None:
            self._in_a_row = 0
            self.losses.append(loss)
            self.unlogged.append(loss)
            del self.losses[:-_LOSSES_KEPT]
            return
        path = self.folder / f"bad-update-{update}.jsonl"
        texts = gather_texts(self._decode(batches))  # the norm is that of all processes: all of them are here
        if is_first():
            write_json_lines(path, [{"text": text} for text in texts])
        self._in_a_row += 1
        if self.action == "stop" or self._in_a_row > _MOST_SKIPPED:
            raise InputError(
                f"Update {update} is bad: its {fault}. Its batches stand in {path}.",
                "lower train.learning_rate, look at those rows, or set train.bad_update to skip.",
            )
        self.skipped += 1
        if is_first():
            say(f"Update {update} is skipped: its {fault}. Its batches stand in {path}.")
        for parameter in model.parameters():
            parameter.grad = None

    def _find_fault(self, norm: float, loss: float) -> str | None:
        if not math.isfinite(norm) or not math.isfinite(loss):
            return "gradient is not finite"
        if self.max_loss_ratio is None or len(self.losses) < _LOSSES_KEPT:
            return None
        usual = median(self.losses)
        return f"loss is {loss:.3g}, of {usual:.3g} before" if loss > self.max_loss_ratio * usual else None

    def _decode(self, batches: Sequence[Sequence[torch.Tensor]]) -> list[str]:
        rows = [row.tolist() for batch in batches for row in batch]
        return [self.tokenizer.decode(row) for row in rows if len(set(row)) > 1]  # of one token: filler


class StopAtSignal(TrainerCallback):
    """After a signal, let the update end, and save a checkpoint; a second signal ends the process at once.

    A signal that one of several processes got ends all of them behind the same update.

    Args:
        received: the signal, once it came.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.saved_at = 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for the end."""
        number = find_largest(self.received or 0)
        if number and state.global_step < state.max_steps:
            self.received = signal.Signals(number)
            control.should_save = control.should_training_stop = True
            self.saved_at = state.global_step

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Take signals in the ``with`` statement, as nobody else then does."""
        before = {number: signal.getsignal(number) for number in _SIGNALS}

        def note(number: int, _frame: FrameType | None) -> None:
            self.received = signal.Signals(number)
            if is_first():
                say(f"{self.received.name}: this update is finished and a checkpoint saved; again to end at once.")
            for each, handler in before.items():
                signal.signal(each, handler)

        for number in _SIGNALS:
            signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def require_whole(self) -> None:
        """Check that the run went to its end.

        Raises:
            EnvironmentFault: a signal ended it.
        """
        if self.saved_at and self.received is not None:
            if count_processes() > 1:
                # The launcher takes the first end for a failure and ends the rest: let them end by themselves.
                for number in _SIGNALS:
                    signal.signal(number, signal.SIG_IGN)
            raise EnvironmentFault(
                f"Training was ended by {self.received.name} after update {self.saved_at}; a checkpoint is saved.",
                "run again: it goes on there.",
            )


def require_space(folder: Path, trained_weights: int, engine: str) -> None:
    """Check, before a checkpoint is begun, that the disk has room for it.

    Args:
        folder: of the run's checkpoints; the size of the newest one is what the next needs.
        trained_weights: number of weights that are trained, from which the first one's size is estimated.
        engine: ``train.distribution.engine``; DeepSpeed writes weights in bf16 twice beside those in fp32.

    Raises:
        EnvironmentFault: it has not.
    """
    sizes = [_measure(path) for path in folder.glob("checkpoint-*")]
    beside = 0 if engine == "none" else _BYTES_BESIDE
    needed = _SPARE * max([*sizes, (_BYTES_A_TRAINED_WEIGHT + beside) * trained_weights])
    free = shutil.disk_usage(folder if folder.is_dir() else folder.parent).free
    if free < needed:
        raise EnvironmentFault(
            f"A checkpoint needs {needed / 1e6:,.0f} MB, and {folder} has {free / 1e6:,.0f} MB left.",
            "make room and run again: it goes on from the last checkpoint.",
        )


def _measure(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
