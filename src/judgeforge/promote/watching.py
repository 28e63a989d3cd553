"""Bars over bytes: of work that tells how far it is, and of a file that somebody else's code is reading."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from judgeforge.progress import progress_bar

_SMALL = 1 << 28
"""Bytes below which nobody waits long enough for a bar."""
_MEGA = 1_000_000
_PAUSE_S = 0.5

Advance = Callable[[float], None]


@contextlib.contextmanager
def watch_bytes(description: str, total: int) -> Iterator[Advance]:
    """Show a bar in megabytes, unless there is little to do; gives a function to call with bytes that are done.

    Args:
        description: of the work.
        total: bytes.
    """
    if total < _SMALL:
        yield lambda _: None
        return
    with progress_bar() as progress:
        task = progress.add_task(f"{description}, MB", total=total / _MEGA, note="")
        yield lambda done: progress.advance(task, done / _MEGA)


@contextlib.contextmanager
def follow_reading(path: Path, advance: Advance) -> Iterator[None]:
    """Advance a bar by how far this process has read in a file, whoever reads it: MLflow tells nobody.

    What the system cannot tell while it goes on is made up for at the end. A file that is read again, since the first
    time failed, advances nothing until it is past where it was.

    Args:
        path: the file.
        advance: see ``watch_bytes``.
    """
    done = 0
    over = threading.Event()

    def look() -> None:
        nonlocal done
        import psutil  # noqa: PLC0415 - as everything of MLflow's, for those who register alone

        process = psutil.Process()
        while not over.wait(_PAUSE_S):
            with contextlib.suppress(psutil.Error, OSError):
                # `position` is there on Linux alone.
                places = [getattr(each, "position", 0) for each in process.open_files() if each.path == str(path)]
                far = max(places, default=0)
                if far > done:
                    advance(far - done)
                    done = far

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
        over.set()
        watcher.join()
        advance(path.stat().st_size - done)
    finally:
        over.set()
