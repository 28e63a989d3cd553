"""The budget while machines run: when it is spent, the run is stopped, not only told."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from flows.machines.cost import BudgetSpentError, Spent
from flows.machines.terraform import Log
from judgeforge.errors import EnvironmentFault

_SIGNAL = signal.SIGUSR1
_JOIN_S = 60.0


@contextlib.contextmanager
def watching_budget(
    look: Callable[[], Spent], stop: Callable[[], None], max_usd: float | None, poll_s: float, log: Log
) -> Iterator[None]:
    """Look at what is spent while the block runs, and leave the block by an error when the budget is.

    In the main thread the error is raised wherever the block is. In any other thread nothing can be raised: there the
    machines are ended at once, and the error comes at the block's end.

    Args:
        look: asks the provider what has been spent.
        stop: ends the machines.
        max_usd: the budget; None: spending is looked at, and has no limit.
        poll_s: how often.
        log: takes what a person should know.

    Raises:
        BudgetSpentError: the budget is spent.
    """
    done, spent = threading.Event(), threading.Event()
    main = threading.main_thread()
    in_main = threading.current_thread() is main

    def watch() -> None:
        while True:
            try:
                now = look()
                if max_usd is not None and now.usd >= max_usd:
                    if not spent.is_set():
                        log.error("The budget of %.2f USD is spent (%s): the run is stopped.", max_usd, now)
                    spent.set()
                    if in_main and main.ident and not done.is_set():
                        signal.pthread_kill(main.ident, _SIGNAL)
                    elif not in_main:
                        stop()
            except EnvironmentFault as fault:
                log.warning("What is spent is not known now: %s", fault.problem)
            if done.wait(poll_s):
                return

    def build_error() -> BudgetSpentError:
        return BudgetSpentError(
            f"The machines of this run have cost their budget of {max_usd} USD.",
            "raise runner.max_usd and run again: training goes on from the last checkpoint that was sent.",
        )

    def leave(_number: int, _frame: FrameType | None) -> None:
        if not done.is_set():
            raise build_error()

    thread = threading.Thread(target=watch, name="budget", daemon=True)
    before = signal.signal(_SIGNAL, leave) if in_main else None
    try:
        thread.start()
        yield
    finally:
        done.set()
        thread.join(_JOIN_S)
        if in_main:
            signal.signal(_SIGNAL, before)
    if spent.is_set():
        raise build_error()
