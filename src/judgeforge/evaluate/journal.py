"""The journal of an evaluation: each completion as it comes, so that a killed run goes on where it stopped.

It stands outside DVC's outputs. A line cut off by a kill is dropped and its item judged again.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from judgeforge.engines.protocol import Completion, Conversation


class Journal:
    """Completions of one run, keyed by all that could change them.

    Args:
        folder: where journals of this judge stand.
        key: digest of model, template, parameters and conversations; another key is another file.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / f"{key}.jsonl"

    def load(self, conversations: Sequence[Conversation]) -> dict[int, Completion]:
        """Read what is already judged: index -> completion."""
        found: dict[int, Completion] = {}
        if not self._path.is_file():
            return found
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self._path, len(whole))
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
                index, completion = int(entry["index"]), Completion.model_validate(entry["completion"])
            except (ValueError, KeyError, TypeError, ValidationError):
                continue
            if 0 <= index < len(conversations):
                found[index] = completion
        return found

    def append(self, completions: Iterable[tuple[int, Completion]]) -> None:
        """Write completions behind the others and flush them to the disk."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as handle:
            for index, completion in completions:
                entry = {"index": index, "completion": completion.model_dump()}
                handle.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            handle.flush()
            os.fsync(handle.fileno())

    def discard(self) -> None:
        """Delete this journal and those of other keys: the verdicts are safe, and nothing resumes the others."""
        for path in self._path.parent.glob("*.jsonl"):
            path.unlink()
