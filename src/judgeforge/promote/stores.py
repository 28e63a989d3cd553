"""Where MLflow keeps a judge's files: looked at, sent and fetched one by one, with patience for large ones."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from judgeforge.errors import EnvironmentFault
from judgeforge.files import NO_ROOM
from judgeforge.progress import say
from judgeforge.tracking import tracking_address
from judgeforge.tracking.store import explain, http_limits

_ATTEMPTS = 8
"""With the waits between them, a server has two minutes to come back."""
_LONGEST_WAIT_S = 60
_PATIENCE_S = 600
_SLOWEST = 5_000_000
"""Bytes a second: a server that keeps files in a bucket says nothing while it copies one there, or from there."""
_WORTH_ANOTHER_TRY = {408, 425, 429}
_PASSING_CODES = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"}
"""Of MLflow: a connection that broke off is the first."""


def open_artifacts(address: str) -> Any:
    """Return MLflow's repository of the files below ``address``, as a logged model or a version names it."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository  # noqa: PLC0415

    return get_artifact_repository(address, tracking_uri=tracking_address())


def find_local(repository: Any) -> Path | None:
    """Return the folder where a repository's files lie on this machine; None: they are elsewhere."""
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository  # noqa: PLC0415

    return Path(repository.artifact_dir) if isinstance(repository, LocalArtifactRepository) else None


def walk_files(repository: Any, folder: str | None = None) -> Iterator[tuple[str, int]]:
    """Yield the path and the size in bytes of every file in a repository, below ``folder`` if one is given."""
    for entry in repository.list_artifacts(folder):
        if entry.is_dir:
            yield from walk_files(repository, entry.path)
        else:
            yield entry.path, int(entry.file_size or 0)


def send_file(repository: Any, path: Path, folder: str) -> None:
    """Send a file from where it lies, again where the store gave way in between.

    Args:
        repository: to send it to.
        path: of the file.
        folder: in the repository.

    Raises:
        EnvironmentFault: the store does not take it, after some attempts.
    """
    _persist(lambda: repository.log_artifact(str(path), folder), path.name, path.stat().st_size)


def fetch_file(repository: Any, name: str, size: int, into: Path) -> None:
    """Fetch a file to its place below ``into``, again where the store gave way in between.

    Args:
        repository: that has it.
        name: its path in the repository, and below ``into``.
        size: in bytes.
        into: a folder.

    Raises:
        EnvironmentFault: the store does not give it, after some attempts.
    """
    _persist(lambda: repository.download_artifacts(name, str(into)), name, size)


def _persist(action: Callable[[], object], name: str, size: int) -> None:
    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait_s = state.next_action.sleep if state.next_action else 0
        why = explain(error) if isinstance(error, Exception) else "?"
        say(f"{name} broke off, once more in {wait_s:.0f} s (attempt {state.attempt_number} of {_ATTEMPTS}): {why}")

    tries = Retrying(
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_exponential_jitter(initial=1, max=_LONGEST_WAIT_S),
        retry=retry_if_exception(_may_pass),
        before_sleep=tell,
        reraise=True,
    )
    try:
        # MLflow's own retries would count silently, each over the whole file.
        with http_limits(retries=0, timeout_s=int(max(_PATIENCE_S, size / _SLOWEST))):
            tries(action)
    except Exception as error:
        if _find_status(error) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise EnvironmentFault(
                f"The store's server takes no request as large as {name} ({size / 1e9:.1f} GB).",
                "raise the limit of the proxy before it, or set promote.weights to reference.",
            ) from error
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise EnvironmentFault(f"No room is left on the disk for {name}.", "free some, and run again.") from error
        if not _may_pass(error):
            raise
        raise EnvironmentFault(
            f"{name} broke off {_ATTEMPTS} times: {explain(error)}.",
            "see to the store and run again; nothing was registered.",
        ) from error


def _may_pass(error: BaseException) -> bool:
    """Tell what may be otherwise in a minute from what will not."""
    status = _find_status(error)
    if status is not None:
        return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _WORTH_ANOTHER_TRY
    if type(error).__module__.startswith("requests"):
        return True
    return getattr(error, "error_code", None) in _PASSING_CODES


def _find_status(error: BaseException) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
