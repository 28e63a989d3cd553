"""What a judge's folder holds, file by file with size and digest.

What is loaded is what was registered, or it is refused.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from judgeforge.errors import InputError
from judgeforge.files import load_json, write_json
from judgeforge.promote.watching import watch_bytes
from judgeforge.weights.digests import hash_weights

LISTING_FILE = "weights.json"
"""In the stored folder, beside the files that it lists."""

Algorithm = Literal["blake3", "md5"]


class StoredFile(BaseModel):
    """One file.

    Args:
        name: its path within the folder, with slashes.
        bytes: its size.
        digest: of its content, in hexadecimal.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    bytes: int = Field(ge=0)
    digest: str

    @field_validator("name")
    @classmethod
    def _stay_within(cls, name: str) -> str:
        """A list comes from a store that others may write to: no name may lead out of the folder."""
        path = PurePosixPath(name)
        if not path.parts or path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{name!r} is no path within a folder")
        return name


class Listing(BaseModel):
    """All files of a folder.

    Args:
        algorithm: of the digests.
        files: by name.
    """

    model_config = ConfigDict(frozen=True)

    algorithm: Algorithm
    files: tuple[StoredFile, ...]

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.bytes for file in self.files)


def list_files(folder: Path, algorithm: Algorithm) -> Listing:
    """Return what a folder holds; a bar shows how far it is.

    Args:
        folder: of a judge.
        algorithm: of the digests.
    """
    paths = {name: path for name, path in _find_files(folder).items() if name != LISTING_FILE}
    sizes = {name: path.stat().st_size for name, path in paths.items()}
    files = []
    with watch_bytes(f"Reading {folder.name}", sum(sizes.values())) as advance:
        for name, path in sorted(paths.items()):
            digest = _HASHES[algorithm](path)
            files.append(StoredFile(name=name, bytes=sizes[name], digest=digest))
            advance(sizes[name])
    return Listing(algorithm=algorithm, files=tuple(files))


def check_files(folder: Path, listing: Listing, seen: Path | None = None) -> None:
    """Make sure that a folder holds what was listed, and nothing else.

    Args:
        folder: of a judge.
        listing: what it held when it was registered.
        seen: where to note that these very files were found right, so that they need not be read again.

    Raises:
        InputError: a file is missing, or one too many, or not what it was.
    """
    paths = {name: path for name, path in _find_files(folder).items() if name != LISTING_FILE}
    wanted = {file.name: file for file in listing.files}
    if missing := sorted(wanted.keys() - paths.keys()):
        raise InputError(
            f"{folder} lacks {missing[0]}{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}: "
            "the weights were deleted, or never came.",
            "take another version, or register the judge again.",
        )
    if spare := sorted(paths.keys() - wanted.keys()):
        raise InputError(f"{folder} holds {spare[0]}, which was not registered.", "find out who put it there.")
    if seen is not None and seen.is_file() and load_json(seen) == _measure(paths):
        return
    with watch_bytes(f"Checking {folder.name}", listing.bytes) as advance:
        for name, path in sorted(paths.items()):
            check_file(path, wanted[name], listing.algorithm)
            advance(wanted[name].bytes)
    if seen is not None:
        write_json(seen, _measure(paths))


def check_file(path: Path, wanted: StoredFile, algorithm: Algorithm) -> None:
    """Make sure that a file is what was listed.

    Raises:
        InputError: it is not.
    """
    size = path.stat().st_size
    if size == wanted.bytes and _HASHES[algorithm](path) == wanted.digest:
        return
    what = "it has other content" if size == wanted.bytes else f"it has {size:,} bytes instead of {wanted.bytes:,}"
    raise InputError(
        f"{path} is not what was registered: {what}.",
        "it was damaged or changed on the way: restore it, or register the judge again.",
    )


def remember(folder: Path, seen: Path) -> None:
    """Note that the files of a folder were found right; see ``check_files``."""
    write_json(seen, _measure(_find_files(folder)))


def _measure(paths: dict[str, Path]) -> dict[str, list[int]]:
    """Return what changes with a file: its size, the time of its last change, and which file it is."""
    stats = {name: path.stat() for name, path in paths.items()}
    return {name: [each.st_size, each.st_mtime_ns, each.st_ino] for name, each in stats.items()}


def _find_files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def _hash_md5(path: Path) -> str:
    """Hash as DVC does, which names files by MD5: it tells damage, and no more is asked of it."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


_HASHES: dict[Algorithm, Callable[[Path], str]] = {"blake3": hash_weights, "md5": _hash_md5}
