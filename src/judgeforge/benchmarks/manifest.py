"""Which files the published benchmarks are, and how one knows them: by SHA-256, or by git's own id of the content.

Two repositories publish the files, one pins them by SHA-256 and size (git-lfs), the other by blob id: either is proof.
"""

import hashlib
import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from judgeforge.errors import InputError
from judgeforge.grading.records import Format

LayoutName = Literal["rendered_direct", "rendered_pairwise", "autoj", "direct", "pairwise", "chosen_rejected"]


class PinnedFile(BaseModel):
    """A published file.

    Args:
        bytes: its size, where known.
        sha256: of its content, where known.
        git_blob: SHA-1 of git's header and its content.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    url: str
    bytes: int | None = None
    sha256: str | None = None
    git_blob: str

    def check(self, path: Path, place: str | None = None) -> None:
        """Check that ``path`` is this file.

        Args:
            path: what is read.
            place: where it came from, for the error; None: ``path`` itself.

        Raises:
            InputError: it cannot be read, or it has other content.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"Cannot read {path}: {error.strerror}.",
                "get it with 'judgeforge fetch benchmarks', or correct evaluate.benchmarks_folder in params.yaml.",
            ) from error
        found = hashlib.sha256(content).hexdigest()
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        if self.sha256 != found and self.git_blob != blob:
            pinned = self.sha256 or f"git's blob {self.git_blob}"
            raise InputError(
                f"{place or path} is not the pinned file: its SHA-256 is {found} ({len(content):,} bytes), "
                f"not {pinned}.",
                "get it again with 'judgeforge fetch benchmarks'; figures on another file could not be compared.",
            )


class Entry(BaseModel):
    """A published benchmark: a layout with its options, and a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format
    layout: LayoutName
    options: dict[str, Any]
    file: PinnedFile


@cache
def load_manifest() -> dict[str, Entry]:
    """Load the published benchmarks by name."""
    text = (resources.files("judgeforge.benchmarks") / "manifest.json").read_text("utf-8")
    return {name: Entry.model_validate(entry) for name, entry in json.loads(text).items()}
