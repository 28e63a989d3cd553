"""The budget while machines run: when it is spent, the run is stopped, not only told."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from flows.machines.cost import BudgetSpentError, Spent
from flows.machines.terraform import Log
from judgeforge.errors import EnvironmentFault, InputError

_SIGNAL = signal.SIGUSR1
_JOIN_S = 60.0


class _Watch:
    """Looks at what is spent, in a thread of its own; the arguments are those of ``watching_budget``."""

    def __init__(
        self, look: Callable[[], Spent], stop: Callable[[], None], max_usd: float | None, poll_s: float, log: Log
    ) -> None:
        self._look, self._stop, self._max_usd, self._poll_s, self._log = look, stop, max_usd, poll_s, log
        self.done, self.is_spent, self._is_told = threading.Event(), False, False
        main = threading.main_thread()
        self._main = main.ident if threading.current_thread() is main else None

    @property
    def in_main(self) -> bool:
        return self._main is not None

    def run(self) -> None:
        while True:
            try:
                self._look_once()
            except (EnvironmentFault, InputError) as fault:
                self._log.warning("What is spent is not known now: %s", fault.problem)
            if self.done.wait(self._poll_s):
                return

    def _look_once(self) -> None:
        spent = self._look()
        if self._max_usd is None or spent.usd < self._max_usd:
            return
        if not self.is_spent:
            self._log.error("The budget of %.2f USD is spent (%s): the run is stopped.", self._max_usd, spent)
        self.is_spent = True
        if self._main is None:
            self._stop()
        elif not (self._is_told or self.done.is_set()):  # again, where the signal did not reach the handler
            signal.pthread_kill(self._main, _SIGNAL)

    def leave(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_told or self.done.is_set():
            return
        self._is_told = True  # a second error would break off the orderly stop that the first one began
        raise self.build_error()

    def build_error(self) -> BudgetSpentError:
        return BudgetSpentError(
            f"The machines of this run have cost their budget of {self._max_usd} USD.",
            "raise runner.max_usd and run again: training goes on from the last checkpoint that was sent.",
        )


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
    watch = _Watch(look, stop, max_usd, poll_s, log)
    thread = threading.Thread(target=watch.run, name="budget", daemon=True)
    before = signal.signal(_SIGNAL, watch.leave) if watch.in_main else None
    try:
        thread.start()
        yield
    finally:
        try:  # the signal may come before this line has done its work
            watch.done.set()
        finally:
            watch.done.set()
            thread.join(_JOIN_S)
            if watch.in_main:
                signal.signal(_SIGNAL, before)
    if watch.is_spent:
        raise watch.build_error()
