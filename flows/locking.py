"""Locks on files: one ends with the process that holds it, and with all that inherited its descriptor."""

import fcntl
from typing import IO, Any


def take_lock(handle: IO[Any]) -> bool:
    """Lock an open file until it is closed; False where somebody else has it.

    Args:
        handle: of a file that is there for its lock, and never deleted.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
