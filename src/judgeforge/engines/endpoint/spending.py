"""Tokens that were spent, and those that are held for requests on their way, in the file of answers.

What is held by one process counts for the others. It is held no longer than its process lives or, where that cannot be
seen from here, than its request may take.
"""

import contextlib
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from typing import NamedTuple

TABLES = """
CREATE TABLE IF NOT EXISTS spending (
    url TEXT NOT NULL, model TEXT NOT NULL, replies INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, PRIMARY KEY (url, model)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reservations (
    id INTEGER PRIMARY KEY, url TEXT NOT NULL, model TEXT NOT NULL, tokens INTEGER NOT NULL,
    host TEXT NOT NULL, process INTEGER NOT NULL, until REAL NOT NULL
);
"""
_CHARGE = """
INSERT INTO spending VALUES (?, ?, 1, ?, ?) ON CONFLICT DO UPDATE SET replies = replies + 1,
    prompt_tokens = prompt_tokens + excluded.prompt_tokens, output_tokens = output_tokens + excluded.output_tokens
"""
_SPENT = "SELECT coalesce(sum(prompt_tokens + output_tokens), 0) FROM spending WHERE url = ? AND model = ?"
_HELD = "SELECT coalesce(sum(tokens), 0) FROM reservations WHERE url = ? AND model = ?"
_HOST = socket.gethostname()


class Cost(NamedTuple):
    """What a request costs, or may cost at most, in tokens."""

    prompt: int
    output: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.output


NOTHING = Cost(0, 0)


class Room(NamedTuple):
    """What a budget has left.

    Args:
        reservation: the one that was made; None: it does not fit.
        spent: tokens, so far.
        held: tokens, for requests on their way.
    """

    reservation: int | None
    spent: int
    held: int


@contextlib.contextmanager
def transaction(base: sqlite3.Connection) -> Iterator[None]:
    """Let all that is written in the ``with`` statement, or nothing of it, be seen by others."""
    base.execute("BEGIN IMMEDIATE")
    try:
        yield
        base.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            base.execute("ROLLBACK")
        raise


def charge(base: sqlite3.Connection, account: str, model: str, cost: Cost) -> None:
    """Add to what an account (see ``Request``) spent on a model; to be called within a transaction."""
    base.execute(_CHARGE, (account, model, cost.prompt, cost.output))


def count_spent(base: sqlite3.Connection, account: str, model: str) -> int:
    """Sum the tokens that an account ever spent on a model."""
    return int(base.execute(_SPENT, (account, model)).fetchone()[0])


def release(base: sqlite3.Connection, reservation: int) -> None:
    """Give back what was held; to be called within a transaction."""
    base.execute("DELETE FROM reservations WHERE id = ?", (reservation,))


def reserve(base: sqlite3.Connection, account: str, model: str, tokens: int, *, limit: int, longest_s: float) -> Room:
    """Hold tokens for a request if they fit beside what was spent and what is held.

    Args:
        base: the file of answers.
        account: see ``Request``.
        model: as the endpoint calls it.
        tokens: what the request may use.
        limit: of all tokens.
        longest_s: the request takes no longer.
    """
    with transaction(base):
        _drop_dead(base)
        spent, held = (int(base.execute(query, (account, model)).fetchone()[0]) for query in (_SPENT, _HELD))
        if spent + held + tokens > limit:
            return Room(None, spent, held)
        made = base.execute(
            "INSERT INTO reservations (url, model, tokens, host, process, until) VALUES (?, ?, ?, ?, ?, ?)",
            (account, model, tokens, _HOST, os.getpid(), time.time() + longest_s),
        )
        return Room(made.lastrowid, spent, held)


def _drop_dead(base: sqlite3.Connection) -> None:
    base.execute("DELETE FROM reservations WHERE until < ?", (time.time(),))
    processes = base.execute("SELECT DISTINCT process FROM reservations WHERE host = ?", (_HOST,)).fetchall()
    for (process,) in processes:
        if not _is_alive(process):
            base.execute("DELETE FROM reservations WHERE host = ? AND process = ?", (_HOST, process))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
