"""Getting the published files: from their addresses or a folder, resumed where broken off, checked before they count.

A file grows under ``NAME.part`` and takes its name once its content is the pinned one: nothing half done is ever read.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from judgeforge.benchmarks.manifest import PinnedFile, load_manifest
from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError
from judgeforge.progress import progress_bar

Outcome = Literal["there already", "fetched"]

_PIECE = 1 << 16
_TIMEOUT = httpx.Timeout(30.0)
_WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}


def list_files(names: Iterable[str]) -> dict[str, PinnedFile]:
    """List the files of the benchmarks ``names``, of all where there are none.

    Raises:
        InputError: an unknown name.
    """
    manifest = load_manifest()
    wanted = list(names) or list(manifest)
    for name in wanted:
        if name not in manifest:
            raise InputError(f"There is no published benchmark {name!r}.", f"name one of {', '.join(manifest)}.")
    return {manifest[name].file.name: manifest[name].file for name in wanted}


def fetch_files(
    files: Mapping[str, PinnedFile],
    into: Path,
    *,
    mirror: Path | None = None,
    url: str | None = None,
    attempts: int = 6,
    first_wait_s: float = 1.0,
) -> dict[str, Outcome | JudgeforgeError]:
    """Get what is not there yet; a file that cannot be had keeps no other from coming.

    Args:
        files: by name.
        into: the folder to fill.
        mirror: a folder to copy from instead of fetching.
        url: an address under which all files stand, instead of their own.
        attempts: tries for each file.
        first_wait_s: before the second try; it doubles with each, up to a minute.

    Returns:
        by name what became of it: an ``InputError`` where a file is not at its place or has other content than the
        pinned one, an ``EnvironmentFault`` where a server gave way for good; what came stays for the next call.

    Raises:
        InputError: ``into`` is no folder.
        EnvironmentFault: the disk gave way.
    """
    if into.exists() and not into.is_dir():
        raise InputError(f"{into} is no folder.", "name a folder with --into.")
    outcomes: dict[str, Outcome | JudgeforgeError] = {}
    try:
        into.mkdir(parents=True, exist_ok=True)
        for name, file in files.items():
            try:
                outcomes[name] = _get_one(file, into / name, mirror, url, attempts, first_wait_s)
            except JudgeforgeError as error:
                outcomes[name] = error
    except OSError as error:
        problem = f"Cannot write to {into}: {error.strerror}."
        raise EnvironmentFault(problem, "free space, or name another folder.") from error
    return outcomes


def _get_one(
    file: PinnedFile, path: Path, mirror: Path | None, url: str | None, attempts: int, first_wait_s: float
) -> Outcome:
    if path.exists():
        try:
            file.check(path)
        except InputError as error:
            raise InputError(error.problem, "move it away, and call again.") from error
        return "there already"
    part = path.with_name(f"{path.name}.part")
    if mirror is not None:
        if not (mirror / file.name).is_file():
            raise InputError(f"{mirror} has no {file.name}.", "name the folder that holds the published files.")
        place = str(mirror / file.name)
        shutil.copyfile(place, part)
    else:
        place = address = f"{url.rstrip('/')}/{file.name}" if url else file.url
        waits = wait_exponential_jitter(multiplier=first_wait_s, max=60, jitter=first_wait_s)
        tries = Retrying(
            stop=stop_after_attempt(attempts), wait=waits, retry=retry_if_exception(_may_pass), reraise=True
        )
        try:
            tries(_download, address, part, file.bytes)
        except httpx.HTTPError as error:
            raise _explain(address, error, attempts) from error
    try:
        file.check(part, place)
    except InputError as error:
        part.unlink()  # to go on with wrong content would be wrong again
        raise InputError(error.problem, "name a place that has the file, with --mirror or --url.") from error
    part.replace(path)
    return "fetched"


def _download(address: str, part: Path, size: int | None) -> None:
    """Fetch what ``part`` lacks of the file at ``address``; all of it where the server cannot go on."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with httpx.stream("GET", address, headers=headers, timeout=_TIMEOUT, follow_redirects=True) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing is lacking; the check tells whether it is the file
        response.raise_for_status()
        resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
        length = response.headers.get("Content-Length")
        total = (have if resumed else 0) + int(length) if length else size
        with part.open("ab" if resumed else "wb") as handle, progress_bar() as bar:
            task = bar.add_task(part.stem, total=total, completed=have if resumed else 0, note="bytes")
            for piece in response.iter_bytes(_PIECE):
                handle.write(piece)
                bar.advance(task, len(piece))


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _WORTH_ANOTHER_TRY
    return isinstance(error, httpx.TransportError)


def _explain(address: str, error: httpx.HTTPError, attempts: int) -> InputError | EnvironmentFault:
    if isinstance(error, httpx.HTTPStatusError) and not _may_pass(error):
        return InputError(
            f"{address} answered {error.response.status_code}.",
            "give another address with --url, or a folder with --mirror.",
        )
    what = str(error) or type(error).__name__
    return EnvironmentFault(
        f"{address} could not be fetched in {attempts} tries: {what}.",
        "try again later, which goes on where it broke off, or copy from a folder with --mirror.",
    )
