"""The error a person is meant to read: what is wrong, and what to do about it.

Everything else that escapes is a defect of ours and keeps its traceback.
"""


class JudgeforgeError(Exception):
    """A fault with a known cause. Shown as one line; the traceback only with ``--debug``.

    Args:
        problem: what is wrong, naming the file, row, key or server.
        remedy: what the reader can do about it.
    """

    exit_code = 2

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} Remedy: {remedy}")
        self.problem = problem
        self.remedy = remedy


class InputError(JudgeforgeError):
    """Bad input (a file, a row, a parameter): the same call fails the same way, so nobody should retry it."""

    exit_code = 2


class EnvironmentFault(JudgeforgeError):
    """Something outside gave way (disk, server, memory): the same call may succeed later, so a flow may retry it."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


class NotComputedError(JudgeforgeError):
    """A stage would have to run, where only results that exist already were asked for."""

    exit_code = 69  # EX_UNAVAILABLE of sysexits.h
