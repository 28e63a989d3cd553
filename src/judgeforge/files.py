"""Reading and writing files so that an output is whole or absent, and a broken input names its line.

Written aside, flushed to the disk, renamed: a reader never sees half a file, and a kill leaves the old one.
"""

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from judgeforge.errors import EnvironmentFault, InputError

NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def _disk_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise EnvironmentFault(
                f"No room left on the disk while writing {path}.",
                f"free some space below {path.parent} (what stood there before is untouched) and run again.",
            ) from error
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` for writing bytes and rename it over ``path`` at the end.

    Args:
        path: the final place; its folder is made if absent.

    Raises:
        EnvironmentFault: the disk is full; ``path`` is as it was.
    """
    with _disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False)  # noqa: SIM115
        temporary = Path(handle.name)
        try:
            with handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
            _sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def write_folder_atomically(path: Path) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to fill, and put it in the place of ``path`` at the end.

    Args:
        path: the final folder; an older one there is replaced only once the new one is whole.

    Raises:
        EnvironmentFault: the disk is full; ``path`` is as it was.
    """
    with _disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path.parent, path.name)
        temporary, handle = _make_locked(path.parent, path.name)
        temporary.chmod(0o755)
        try:
            yield temporary
            if path.exists():
                retired = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
                path.rename(retired / path.name)
                temporary.rename(path)
                shutil.rmtree(retired)
            else:
                temporary.rename(path)
            _sync_folder(path.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        finally:
            os.close(handle)


@contextlib.contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Give an empty folder in ``parent`` that is gone afterwards; one that a killed run left behind is removed, too.

    Args:
        parent: must exist.
        name: of the folder, between a dot and what makes it unique.

    Raises:
        EnvironmentFault: the disk is full.
    """
    with _disk_faults(parent / name):
        _remove_leftovers(parent, name)
        folder, handle = _make_locked(parent, name)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def _make_locked(parent: Path, name: str) -> tuple[Path, int]:
    """Make a folder and say that it is in use, until the handle is closed or the process ends, however that ends."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=f".{name}."))
        with contextlib.suppress(FileNotFoundError):  # until it is locked, another may take it for a leftover
            handle = os.open(folder, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if folder.exists():
                return folder, handle
            os.close(handle)


def _remove_leftovers(parent: Path, name: str) -> None:
    """Remove what killed runs left behind, but for a replaced folder (``.old.``), which may be the last whole one."""
    # As mkdtemp ends names: what belongs to another name that begins alike ends otherwise.
    shape = re.compile(rf"\.{re.escape(name)}\.[a-z0-9_]{{8}}")
    for left in parent.glob(f".{glob.escape(name)}.*"):
        if shape.fullmatch(left.name) and left.is_dir():
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                _remove_unless_used(left)


def _remove_unless_used(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with write_atomically(path) as handle:
        handle.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with sorted keys and a final newline, atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_json_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write one JSON object a line, atomically."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_text(path: Path) -> str:
    """Read a UTF-8 file.

    Raises:
        InputError: it is missing, unreadable, or not UTF-8 (the byte's offset and line are named).
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8: byte {error.start}, line {error.object.count(10, 0, error.start) + 1}, is no text.",
            "convert the file to UTF-8, for example with iconv.",
        ) from error
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.", "check the path and its permissions.") from error


def load_json(path: Path) -> Any:
    """Read one JSON document.

    Raises:
        InputError: missing, not UTF-8, or not JSON (line and column are named).
    """
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # also too deep for Python, or a number of thousands of digits
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(
            f"{path} is not valid JSON{place}: {getattr(error, 'msg', error)}.", "repair or re-create the file."
        ) from error


def load_json_rows(path: Path) -> list[dict[str, Any]]:
    """Read a list of objects from a JSON array or JSON Lines, whatever the ending (upstream mixes them).

    Raises:
        InputError: missing, not UTF-8, broken at a named line, or not a list of objects.
    """
    text = read_text(path)
    rows = load_json(path) if text.lstrip().startswith("[") else list(_parse_lines(path, text))
    suspicious = "\\ud" in text.lower()
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise InputError(f"Row {number} of {path} is not a JSON object.", "give one object a row.")
        if suspicious and not _can_be_written(row):
            raise InputError(
                f"Row {number} of {path} holds half a surrogate pair, which no text can hold.",
                "mend or delete that row.",
            )
    return rows


def _can_be_written(row: Any) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse_lines(path: Path, text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"Line {number} of {path} is not valid JSON: {getattr(error, 'msg', error)}.", "mend or delete it."
                ) from error


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal, without holding the file in memory."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
