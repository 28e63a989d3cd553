"""A worker's checkout is one stage's at a time, also where a stage goes on whose worker process is gone."""

import contextlib
import time
from collections.abc import Iterator

from flows.locking import take_lock
from flows.remote.progress import HOME
from judgeforge.errors import EnvironmentFault

LOCK = HOME / "reproduce.lock"
"""It must outlast the cleaning of the checkout: deleted, it would be another file for whoever comes next."""

_WAIT_S, _LOOK_S = 120.0, 1.0


class CheckoutBusyError(EnvironmentFault):
    """Another stage is at work in the worker's checkout: this one is not begun, so it has not failed either."""


@contextlib.contextmanager
def hold_checkout(wait_s: float = _WAIT_S) -> Iterator[int]:
    """Hold this checkout for one stage, and give the lock's file descriptor for its commands to inherit.

    Args:
        wait_s: how long to wait for the stage that has it. A worker that refused at once would soon take the same
            stage again; one that waited to the end would keep it from a worker that is free.

    Raises:
        CheckoutBusyError: that stage is still at work.
    """
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_s
    with LOCK.open("a") as handle:
        while not take_lock(handle):
            if time.monotonic() >= deadline:
                raise CheckoutBusyError(
                    "This worker's checkout is at work on another stage.",
                    "wait until that is done, or end it ('ps' shows dvc and python -m judgeforge on the worker).",
                )
            time.sleep(_LOOK_S)
        yield handle.fileno()
