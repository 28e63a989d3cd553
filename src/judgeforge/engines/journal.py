"""The journal of an evaluation: each completion as it comes, so that a killed run goes on where it stopped.

It stands outside DVC's outputs, and stays once the verdicts are written: a finished evaluation is never done again, and
one with other benchmarks finds the answers to the questions that it shares. A line cut off by a kill is dropped and its
question asked again.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from judgeforge.engines.protocol import Completion, Conversation

_SYNC_EVERY = 16


def compute_question_key(conversation: Conversation) -> str:
    """Return a digest of what is asked: equal keys have equal answers."""
    return hashlib.sha256(conversation.model_dump_json().encode()).hexdigest()


class Journal:
    """Completions of one judge.

    Args:
        folder: where journals of this judge stand.
        key: digest of all but the question that could change a completion; another key is another file.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.key = key
        self._path = folder / f"{key}.jsonl"

    def load(self) -> dict[str, Completion]:
        """Read what is already answered: question key -> completion."""
        found: dict[str, Completion] = {}
        if not self._path.is_file():
            return found
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self._path, len(whole))
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
                found[str(entry["question"])] = Completion.model_validate(entry["completion"])
            except (ValueError, KeyError, TypeError, ValidationError):
                continue
        return found

    @contextmanager
    def open(self) -> Iterator[Callable[[str, Completion], None]]:
        """Give a function that writes a completion behind the others.

        Each is handed to the system at once, so that a killed process loses none; for the loss of power, they are
        flushed to the disk now and then, and at the end.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab", buffering=0) as handle:
            written = 0

            def write(question: str, completion: Completion) -> None:
                nonlocal written
                entry = {"question": question, "completion": completion.model_dump()}
                handle.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
                written += 1
                if written % _SYNC_EVERY == 0:
                    os.fsync(handle.fileno())

            try:
                yield write
            finally:
                os.fsync(handle.fileno())

    def discard_others(self, keys: Collection[str] = ()) -> None:
        """Delete the journals of other keys: nothing goes on from them.

        Args:
            keys: whose journals stay beside this one.
        """
        for path in self._path.parent.glob("*.jsonl"):
            if path != self._path and path.stem not in keys:
                path.unlink()
