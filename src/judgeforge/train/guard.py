"""What keeps a run from being lost: an update that is not finite, a signal to stop, and a disk that is nearly full."""

import math
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch
from transformers import TrainerCallback

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.files import write_json_lines
from judgeforge.progress import say
from judgeforge.train.distributed import count_processes, find_largest, gather_texts, is_first

_MOST_SKIPPED = 10
"""Updates in a row that may be skipped: more are no accident of one batch."""
_BYTES_A_TRAINED_WEIGHT = 12
"""In fp32: the weight and AdamW's two moments."""
_SPARE = 1.1
_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""What schedulers and spot machines announce their end by."""


@dataclass
class UpdateGuard:
    """Looks at each update's gradient before it is applied.

    Args:
        action: at one that is not finite ``stop`` the run, or ``skip`` the update: the weights stay as they are.
        folder: where the batches of such an update are written.
        tokenizer: turns them into text.
        skipped: updates that were skipped.
    """

    action: Literal["stop", "skip"]
    folder: Path
    tokenizer: Any
    skipped: int = 0
    _in_a_row: int = 0
    _batches: list[torch.Tensor] = field(default_factory=list)

    def remember(self, batch: dict[str, torch.Tensor]) -> None:
        """Keep what goes into the coming update."""
        self._batches.append(batch["input_ids"].detach())

    def check(self, norm: float, model: Any, update: int) -> None:
        """Let a finite update through.

        Args:
            norm: of the whole gradient.
            model: whose gradients are dropped where the update is skipped.
            update: its number, from 1.

        Raises:
            InputError: it is not finite, and the action is to stop, or too many in a row were skipped.
        """
        batches, self._batches = self._batches, []
        if math.isfinite(norm):
            self._in_a_row = 0
            return
        path = self.folder / f"bad-update-{update}.jsonl"
        texts = gather_texts(self._decode(batches))  # the norm is that of all processes: all of them are here
        if is_first():
            write_json_lines(path, [{"text": text} for text in texts])
        self._in_a_row += 1
        if self.action == "stop" or self._in_a_row > _MOST_SKIPPED:
            raise InputError(
                f"The gradient of update {update} is not finite; its batches stand in {path}.",
                "lower train.learning_rate, look at those rows, or set train.non_finite to skip.",
            )
        self.skipped += 1
        if is_first():
            say(f"Update {update} is skipped: its gradient is not finite. Its batches stand in {path}.")
        for parameter in model.parameters():
            parameter.grad = None

    def _decode(self, batches: Sequence[torch.Tensor]) -> list[str]:
        return [text for batch in batches for text in self.tokenizer.batch_decode(batch)]


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


def require_space(folder: Path, trained_weights: int) -> None:
    """Check, before a checkpoint is begun, that the disk has room for it.

    Args:
        folder: of the run's checkpoints; the size of the newest one is what the next needs.
        trained_weights: number of weights that are trained, from which the first one's size is estimated.

    Raises:
        EnvironmentFault: it has not.
    """
    sizes = [_measure(path) for path in folder.glob("checkpoint-*")]
    needed = _SPARE * max([*sizes, _BYTES_A_TRAINED_WEIGHT * trained_weights])
    free = shutil.disk_usage(folder if folder.is_dir() else folder.parent).free
    if free < needed:
        raise EnvironmentFault(
            f"A checkpoint needs {needed / 1e6:,.0f} MB, and {folder} has {free / 1e6:,.0f} MB left.",
            "make room and run again: it goes on from the last checkpoint.",
        )


def _measure(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
