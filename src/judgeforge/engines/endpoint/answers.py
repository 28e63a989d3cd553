"""Answers that were paid for, in an SQLite file, written as they come. A kill loses none that had come.

Several processes may share a file: a question that one of them is asking is not asked by another. The mark of it is a
lock on one byte of a file beside, which the system takes away when its process dies.
"""

import contextlib
import fcntl
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from judgeforge.engines.endpoint.replies import Reply
from judgeforge.engines.endpoint.requests import Request
from judgeforge.engines.endpoint.spending import (
    NOTHING,
    TABLES,
    Cost,
    Room,
    charge,
    count_spent,
    release,
    reserve,
    transaction,
)
from judgeforge.errors import EnvironmentFault, InputError

_VERSION = 2
_BUSY_TIMEOUT_S = 60.0
_BUSY_WAIT_S = 0.02
_TABLES = f"""
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, url TEXT NOT NULL, model TEXT NOT NULL, reply TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) WITHOUT ROWID;
{TABLES}
"""


class AnswerCache:
    """The file; to be used in a ``with`` statement.

    Args:
        path: made if absent.

    Raises:
        InputError: it is another kind of file.
        EnvironmentFault: the disk, or a lock, gave way.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._faults():
            path.parent.mkdir(parents=True, exist_ok=True)
            # One thread opens, another asks, never both at once.
            self._base = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            self._claims = path.with_name(f"{path.name}.claims").open("ab")
            try:
                self._wait_until_prepared()
            except BaseException:
                self.close()
                raise

    def _wait_until_prepared(self) -> None:
        """Prepare the file, again while another process does: SQLite does not wait for that by itself."""
        deadline = time.monotonic() + _BUSY_TIMEOUT_S
        while True:
            try:
                return self._prepare()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")
            time.sleep(_BUSY_WAIT_S)

    def _prepare(self) -> None:
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise InputError(
                f"{self._path} holds answers in the form {version}, not {_VERSION}.", "name another file with --cache."
            )
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")
        if version < _VERSION:
            self._base.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")

    def __enter__(self) -> "AnswerCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close both files."""
        self._base.close()
        self._claims.close()

    def find(self, request: Request) -> Reply | None:
        """Look up an answer; one that cannot be read any more counts as absent."""
        with self._faults():
            row = self._base.execute("SELECT reply FROM answers WHERE key = ?", (request.key,)).fetchone()
        try:
            return Reply.model_validate_json(row[0]) if row else None
        except ValidationError:
            return None

    def settle(self, request: Request, cost: Cost, *, reply: Reply | None, reservation: int | None) -> None:
        """Write down how a request ended.

        Args:
            request: what was sent.
            cost: what it took, or may have taken.
            reply: the answer to keep; None: there is none, or it is not final.
            reservation: what was held for it; None: nothing was.
        """
        model = request.body["model"]
        if cost == NOTHING and reply is None and reservation is None:
            return
        with self._faults(), transaction(self._base):
            if reservation is not None:
                release(self._base, reservation)
            if cost != NOTHING:
                charge(self._base, request.account, model, cost)
            if reply is not None:
                self._base.execute(
                    "INSERT OR REPLACE INTO answers (key, url, model, reply) VALUES (?, ?, ?, ?)",
                    (request.key, request.account, model, reply.model_dump_json()),
                )

    def reserve(self, request: Request, cost: Cost, *, limit: int, longest_s: float) -> Room:
        """Hold what a request may cost, if that fits into what is left of ``limit`` for its model."""
        with self._faults():
            return reserve(
                self._base, request.account, request.body["model"], cost.total, limit=limit, longest_s=longest_s
            )

    def count_spent(self, account: str, model: str) -> int:
        """Sum the tokens that an account (see ``Request``) ever spent on a model."""
        with self._faults():
            return count_spent(self._base, account, model)

    @contextlib.contextmanager
    def claim(self, request: Request) -> Iterator[bool]:
        """Say whether the question is ours to ask: no other process is asking it now."""
        place = int(request.key[:15], 16)
        try:
            fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            yield False
            return
        try:
            yield True
        finally:
            fcntl.lockf(self._claims, fcntl.LOCK_UN, 1, place)

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            raise EnvironmentFault(
                f"The answer cache {self._path} cannot be used: {error}.",
                "check the disk and the permissions and run again: the answers in it stay.",
            ) from error
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"{self._path} is no answer cache, or is damaged: {error}.",
                "move it away, or name another file with --cache.",
            ) from error
