"""What a person and the tracking run see of a training run while it lasts."""

import resource
import sys
import time
from typing import Any

import torch
from transformers import TrainerCallback

from judgeforge.progress import progress_bar
from judgeforge.train.arithmetic import Arithmetic, Peak

_NAMES = {
    **{"loss": "loss", "learning_rate": "learning_rate", "grad_norm": "gradient_norm"},
    **{"eval_loss": "validation_loss", "epoch": "epoch"},
}
"""The Trainer's names, and ours."""


class Meter:
    """Counts what this process has trained on.

    Args:
        arithmetic: what a token costs.
        peak: what the device can do.
        processes: that do the same work beside each other.
    """

    def __init__(self, arithmetic: Arithmetic, peak: Peak, processes: int = 1) -> None:
        self._arithmetic, self._peak, self._processes = arithmetic, peak, processes
        self.seen = 0
        self._fresh = [0.0, 0.0, 0.0]
        self._since = time.monotonic()

    def add(self, lengths: list[int], learnt: int) -> None:
        """Count a batch.

        Args:
            lengths: tokens of its rows.
            learnt: how many of them are learnt.
        """
        tokens = sum(lengths) * self._processes
        self.seen += tokens
        flops = self._arithmetic.count(lengths, learnt)
        self._fresh = [a + b for a, b in zip(self._fresh, (tokens, learnt * self._processes, flops), strict=True)]

    def read(self) -> dict[str, float]:
        """Return the speeds since the last reading, and what was seen in all."""
        seconds = max(time.monotonic() - self._since, 1e-9)
        tokens, learnt, flops = self._fresh
        self._since, self._fresh = time.monotonic(), [0.0, 0.0, 0.0]
        return {
            "tokens_per_second": tokens / seconds,
            "learnt_tokens_per_second": learnt / seconds,
            "mfu": flops / seconds / self._peak.flops,
            "tokens_seen": self.seen,
            "peak_memory_gib": measure_peak_memory(),
        }


def measure_peak_memory() -> float:
    """Return the most memory this process has held, in GiB: of the GPU, where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30


class LiveLog(TrainerCallback):
    """Show a bar, and send the curve to the tracking run as it grows.

    Args:
        run: the tracking run (``judgeforge.tracking``).
        meter: counts tokens.
        description: shown before the bar.
    """

    def __init__(self, run: Any, meter: Meter, description: str) -> None:
        self._run, self._meter, self._description = run, meter, description
        self._bar: Any = None
        self._opened: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Open the bar."""
        self._opened = progress_bar()
        self._bar = self._opened.__enter__()
        self._task = self._bar.add_task(self._description, total=state.max_steps, note="", completed=state.global_step)
        self._meter.read()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Advance the bar."""
        self._bar.update(self._task, completed=state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, **extra: Any) -> None:
        """Send a point of the curve; speeds are those since the last point."""
        values = {name: value for name, value in _rename(extra["logs"]).items() if name != "epoch"}
        if "loss" in values:
            values |= self._meter.read()
            note = f"loss {values['loss']:.3f}, {values['tokens_per_second']:,.0f} tokens/s, MFU {values['mfu']:.0%}"
            self._bar.update(self._task, note=note)
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
    return {_NAMES[key]: value for key, value in logs.items() if key in _NAMES}


def build_curve(log_history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Turn the Trainer's log into the curve file: one object a point, without timings (equal runs, equal files)."""
    points: dict[int, dict[str, float]] = {}
    for entry in log_history:
        values = _rename(entry)
        if "loss" in values or "validation_loss" in values:
            points.setdefault(int(entry["step"]), {"step": int(entry["step"])}).update(values)
    return [dict(sorted(points[step].items())) for step in sorted(points)]
