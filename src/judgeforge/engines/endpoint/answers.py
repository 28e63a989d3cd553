"""Answers that were paid for, in an SQLite file, written as they come. A kill loses none that had come.

Several processes may share a file: a question that one of them is asking is not asked by another. The mark of it is a
lock on one byte of a file beside, which the system takes away when its process dies.
"""

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from judgeforge.engines.endpoint.replies import Reply
from judgeforge.engines.endpoint.requests import Request
from judgeforge.errors import EnvironmentFault, InputError

_VERSION = 1
_BUSY_TIMEOUT_S = 60.0
_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, url TEXT NOT NULL, model TEXT NOT NULL, reply TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spending (
    url TEXT NOT NULL, model TEXT NOT NULL, replies INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, PRIMARY KEY (url, model)
) WITHOUT ROWID;
"""
_CHARGE = """
INSERT INTO spending VALUES (?, ?, 1, ?, ?) ON CONFLICT DO UPDATE SET replies = replies + 1,
    prompt_tokens = prompt_tokens + excluded.prompt_tokens, output_tokens = output_tokens + excluded.output_tokens
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
                self._prepare()
            except BaseException:
                self.close()
                raise

    def _prepare(self) -> None:
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise InputError(
                f"{self._path} holds answers in the form {version}, not {_VERSION}.", "name another file for the cache."
            )
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")
        if version == 0:
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

    def keep(self, request: Request, reply: Reply, *, final: bool = True) -> None:
        """Write down what a reply cost and, if it is ``final``, the reply."""
        model = request.body["model"]
        with self._faults():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                self._base.execute(_CHARGE, (request.url, model, reply.prompt_tokens, reply.output_tokens))
                if final:
                    self._base.execute(
                        "INSERT OR REPLACE INTO answers (key, url, model, reply) VALUES (?, ?, ?, ?)",
                        (request.key, request.url, model, reply.model_dump_json()),
                    )
                self._base.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._base.execute("ROLLBACK")
                raise

    def count_spent(self, url: str, model: str) -> int:
        """Sum the tokens that were ever spent on a model of an endpoint."""
        with self._faults():
            query = "SELECT prompt_tokens + output_tokens FROM spending WHERE url = ? AND model = ?"
            row = self._base.execute(query, (url, model)).fetchone()
        return int(row[0]) if row else 0

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
                f"{self._path} is no answer cache, or is damaged: {error}.", "move it away, or name another file."
            ) from error
