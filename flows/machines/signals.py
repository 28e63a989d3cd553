"""Ctrl-C and SIGTERM while machines are being ended: noted, and delivered once that is done."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def deferring_signals() -> Iterator[None]:
    """Let no signal that can be caught break off what is inside.

    The first one that came is raised again afterwards, unless an exception leaves the block anyway. Only the main
    thread is ever interrupted by one, so in any other there is nothing to do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.getsignal(number) for number in _ENDING}
    ours = [number for number, handler in before.items() if handler is not None]  # None: not set by Python, so not ours
    for number in ours:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
    if came:
        signal.raise_signal(came[0])
