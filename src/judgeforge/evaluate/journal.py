"""The journal of an evaluation: each completion as it comes, so that a killed run goes on where it stopped.

It stands outside DVC's outputs. Completions are kept by what was asked, so a run with other benchmarks finds those of
the questions that it shares. A line cut off by a kill is dropped and its question asked again.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from judgeforge.engines.protocol import Completion, Conversation


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

    def append(self, completions: Iterable[tuple[str, Completion]]) -> None:
        """Write completions behind the others and flush them to the disk."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as handle:
            for key, completion in completions:
                entry = {"question": key, "completion": completion.model_dump()}
                handle.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            handle.flush()
            os.fsync(handle.fileno())

    def discard(self) -> None:
        """Delete this journal and those of other keys: the verdicts are safe, and nothing resumes the others."""
        for path in self._path.parent.glob("*.jsonl"):
            path.unlink()
