"""What a person sees while something long runs, on stderr: a bar with the time left, and short messages.

Where stderr is no terminal (a flow's task, a log file), the bar becomes a line now and then.
"""

import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Thing = TypeVar("Thing")

console = Console(stderr=True)


def say(message: str) -> None:
    """Print one message; in a log, where nobody sees the width, on one line that can be searched for."""
    console.print(message, highlight=False, markup=False, soft_wrap=not console.is_terminal)


_SECONDS_BETWEEN_LINES = 15.0


class LineProgress(Progress):
    """Progress told in lines, at most one in so many seconds.

    Args:
        seconds_between_lines: 0 prints at every change.
    """

    def __init__(self, seconds_between_lines: float = _SECONDS_BETWEEN_LINES) -> None:
        super().__init__(disable=True)
        self._pause = seconds_between_lines
        self._told = time.monotonic()

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """Change a task, and tell of it if it is time."""
        super().update(task_id, **changes)
        self._tell(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Advance a task, and tell of it if it is time."""
        super().advance(task_id, advance)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        if time.monotonic() - self._told < self._pause:
            return
        self._told = time.monotonic()
        task = next(each for each in self.tasks if each.id == task_id)
        of_total = "" if task.total is None else f"/{task.total:.0f}"
        left = "" if task.time_remaining is None else f", {_render_seconds(task.time_remaining)} left"
        note = f", {task.fields['note']}" if task.fields.get("note") else ""
        say(f"{task.description}: {task.completed:.0f}{of_total}{left}{note}")


def _render_seconds(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Open a bar that shows counts, time spent and time left; lines instead where there is no terminal."""
    if not console.is_terminal:
        with LineProgress() as lines:
            yield lines
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=2) as progress:
        yield progress


def track(iterable: Iterable[Thing], description: str, total: int | None = None) -> Iterator[Thing]:
    """Yield the things of ``iterable`` under a bar.

    Args:
        iterable: what to go through.
        description: shown before the bar.
        total: how many there are, where ``iterable`` has no length.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with progress_bar() as progress:
        task = progress.add_task(description, total=total, note="")
        for thing in iterable:
            yield thing
            progress.advance(task)
