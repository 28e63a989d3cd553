"""Turns what a version holds into a folder that an engine can load: the stored files, or what a reference names.

Referenced files come from DVC's cache where there is one, by links that take no room, else from the remote.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from judgeforge.errors import InputError
from judgeforge.files import NO_ROOM, load_json, write_folder_atomically
from judgeforge.progress import say
from judgeforge.promote.listing import LISTING_FILE, Listing, StoredFile, check_file, check_files, remember
from judgeforge.promote.references import REFERENCE_FILE, Reference, load_reference
from judgeforge.promote.remotes import explain_fault, find_cache, locate, open_remote
from judgeforge.promote.watching import Advance, watch_bytes

WORK = Path(".judgeforge")
JUDGES = WORK / "judges"
_ATTEMPTS = 5


def open_weights(place: Path, seen: Path | None = None) -> Path:
    """Return the folder of a judge or a base, whole and checked.

    Args:
        place: the folder that the version holds.
        seen: see ``check_files``.

    Raises:
        InputError: what is there is not what was registered.
        EnvironmentFault: the remote gave way.
    """
    if (place / REFERENCE_FILE).is_file():
        return materialise(load_reference(place / REFERENCE_FILE))
    if (place / LISTING_FILE).is_file():
        check_files(place, Listing.model_validate(load_json(place / LISTING_FILE)), seen)
    elif not (place / "config.json").is_file() and not (place / "adapter_config.json").is_file():
        raise InputError(
            f"{place} holds no judge: its weights were deleted, or never came.",
            "take another version, or register the judge again.",
        )
    return place  # Versions of before there was a list hold their files and nothing else.


def materialise(reference: Reference) -> Path:
    """Return a local folder of the files that a reference names, made on the first call.

    Raises:
        InputError: the remote lacks a file, or has another one in its place.
        EnvironmentFault: the remote gave way.
    """
    target = place_of(reference.md5)
    seen = target.with_name(f"{target.name}.json")
    if target.is_dir():
        # It is a copy: where it was damaged, it is made anew.
        with contextlib.suppress(InputError):
            check_files(target, reference, seen)
            return target
    sources = [make(reference) for make in (_find_in_cache, _find_in_remote)]
    with write_folder_atomically(target) as folder, watch_bytes(f"Fetching {reference.output}", reference.bytes) as bar:
        for file in reference.files:
            path = folder / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            _get(file, path, reference, [get for get in sources if get is not None], bar)
    remember(target, seen)
    return target


def place_of(md5: str) -> Path:
    """Return where an output's files are kept: in judgeforge's working folder, elsewhere with the user's caches."""
    root = JUDGES if WORK.is_dir() else _find_user_cache() / "judgeforge" / "judges"
    return root.resolve() / f"md5-{md5.removesuffix('.dir')}"


def remove_materialised(reference: Reference) -> None:
    """Remove this machine's copy of what a reference names; DVC's cache and the remote keep theirs."""
    target = place_of(reference.md5)
    shutil.rmtree(target, ignore_errors=True)
    target.with_name(f"{target.name}.json").unlink(missing_ok=True)


def _find_user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


_Get = Callable[[StoredFile, Path, Advance], bool]
"""Puts a file into its place; False: it is not there."""


def _get(file: StoredFile, path: Path, reference: Reference, sources: list[_Get], bar: Advance) -> None:
    """Take a file from the first source that has it as it was."""
    for number, get in enumerate(sources, start=1):
        if not get(file, path, bar):
            continue
        try:
            check_file(path, file, reference.algorithm)
        except InputError as error:
            if number == len(sources):
                problem = f"{file.name} of {reference.output} in the remote {reference.remote.name!r} is damaged"
                raise InputError(
                    f"{problem}: {error.problem}", "delete it there, and push it again from where it is whole."
                ) from error
            path.unlink()
            continue
        return
    raise InputError(
        f"Neither DVC's cache here nor the remote {reference.remote.name!r} has {file.name} of {reference.output} "
        f"({file.digest}).",
        f"run 'dvc push' where it is, at commit {reference.git_commit or 'unknown'}; "
        "or 'dvc gc' has deleted it, and the judge must be made again.",
    )


def _find_in_cache(reference: Reference) -> _Get | None:
    try:
        cache = find_cache()
    except InputError:
        return None
    if cache is None:
        return None

    def get(file: StoredFile, path: Path, bar: Advance) -> bool:
        source = Path(locate(str(cache), file.digest))
        if not source.is_file():
            return False
        _link(source.resolve(), path)
        bar(file.bytes)
        return True

    return get


def _link(source: Path, target: Path) -> None:
    """Clone or link a file of the cache, or copy it. A link shares the cache's content: nobody may write to it."""
    with contextlib.suppress(OSError, ImportError):
        from dvc_objects.fs.system import reflink  # noqa: PLC0415 - comes with DVC

        reflink(str(source), str(target))  # type: ignore[no-untyped-call]
        return
    with contextlib.suppress(OSError):
        writable = source.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
        if writable:
            source.chmod(0o444)
        target.hardlink_to(source)
        return
    shutil.copyfile(source, target)


def _find_in_remote(reference: Reference) -> _Get:
    remote = reference.remote
    opened: list[tuple[Any, str]] = []

    def get(file: StoredFile, path: Path, bar: Advance) -> bool:
        if not opened:
            say(f"Fetching {reference.output} from the DVC remote {remote.name!r}.")
            opened.append(open_remote(remote))
        system, root = opened[0]
        tries = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential_jitter(initial=1, max=60),
            retry=retry_if_exception(_may_pass),
            reraise=True,
        )
        try:
            tries(system.get_file, locate(root, file.digest), str(path))
        except FileNotFoundError:
            return False
        except Exception as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise
            raise explain_fault(remote, error) from error
        bar(file.bytes)
        return True

    return get


def _may_pass(error: BaseException) -> bool:
    if not isinstance(error, OSError) or error.errno in NO_ROOM:
        return False
    return not isinstance(error, (FileNotFoundError, PermissionError))
