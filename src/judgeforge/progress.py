"""What a person sees while something long runs: a bar with the time left, and short messages, on stderr."""

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Thing = TypeVar("Thing")

console = Console(stderr=True)


def say(message: str) -> None:
    """Print one message."""
    console.print(message, highlight=False)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Open a bar that shows counts, time spent and time left."""
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
