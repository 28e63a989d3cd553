"""What the service and its worker say to their operator: a line on stderr, whatever has become of it."""

import contextlib
import sys

_LONGEST = 2000


def note(message: str) -> None:
    """Write one line; a full disk, or a reader that is gone, must not end a service.

    Args:
        message: what is no printable character of it is shown as an escape.
    """
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in message[:_LONGEST])
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{shown}\n")
        sys.stderr.flush()
