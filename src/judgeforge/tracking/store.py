"""The tracking store: its address, a client of it, and what its failures mean. MLflow is imported on use only."""

import contextlib
import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.servers import check_server, mask_address

ADDRESS_VARIABLE = "MLFLOW_TRACKING_URI"
PARENT_VARIABLE = "JUDGEFORGE_PARENT_RUN_ID"
"""Holds the run in which the runs of stages nest."""

_DEFAULT_ADDRESS = "sqlite:///mlflow.db"
_EXPERIMENT = "judgeforge"
_TENACITY = 3
"""Retries of a call that must not be given up at once: some 15 seconds of silence, since MLflow waits 2, 4 and 8."""

_COLLISIONS = ("unique constraint", "duplicate entry")
"""What SQLite and PostgreSQL, and MySQL, say of a row that is there already."""

_LOCK_FILE = Path(".judgeforge/mlflow.lock")


def tracking_address() -> str:
    """Return the address of the tracking store, credentials included: for MLflow, not for people."""
    return os.environ.get(ADDRESS_VARIABLE) or _DEFAULT_ADDRESS


def check_tracking_server() -> None:
    """Ask the tracking server, where the address names one, whether it is there. Needs no MLflow and takes seconds.

    Raises:
        EnvironmentFault: it does not answer.
    """
    address = tracking_address()
    if address.startswith(("http://", "https://")):
        check_server("MLflow server", address, f"start it, or unset {ADDRESS_VARIABLE} to record in a local file.")


def prepare_mlflow() -> None:
    """Set MLflow up for a program of ours: no telemetry, no chatter. Call it before ``import mlflow``."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # MLflow takes DO_NOT_TRACK=true for a no, but not DO_NOT_TRACK=1
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


@contextlib.contextmanager
def http_limits(retries: int, timeout_s: int) -> Iterator[None]:
    """Bound how long MLflow's client waits for a server inside; its own bound is minutes."""
    limits = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries), "MLFLOW_HTTP_REQUEST_TIMEOUT": str(timeout_s)}
    before = {name: os.environ.get(name) for name in limits}
    os.environ.update(limits)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def using_store() -> Iterator[None]:
    """Turn MLflow's failures inside into one line that names the store.

    Raises:
        EnvironmentFault: the store is away, full, locked or out of date.
        InputError: it does not let this user do that.
    """
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("mlflow", "sqlalchemy", "requests", "sqlite3")):
            raise
        if is_forbidden(error):
            raise InputError(
                f"The MLflow store at {mask_address(tracking_address())} refuses: {explain(error)}.",
                "log in as somebody who may (MLFLOW_TRACKING_USERNAME), or ask its administrator.",
            ) from error
        raise EnvironmentFault(
            f"The MLflow store at {mask_address(tracking_address())} cannot be used: {explain(error)}.",
            f"repair or start it, or point {ADDRESS_VARIABLE} elsewhere.",
        ) from error


@contextlib.contextmanager
def tenacious_store() -> Iterator[None]:
    """Use the store inside for what must not be given up at once: some seconds of silence are waited out.

    Raises:
        EnvironmentFault: see ``using_store``.
    """
    with using_store(), http_limits(_TENACITY, timeout_s=60):
        yield


def set_value(call: Callable[..., Any], *arguments: str) -> None:
    """Call a setter of MLflow's, and again where another process set the same value at the same moment.

    MLflow looks whether the value is there and inserts it then; of two that do so at once, the database refuses one.

    Args:
        call: sets a tag or an alias.
        arguments: its own.
    """
    collided = retry_if_exception(lambda error: any(sign in str(error).lower() for sign in _COLLISIONS))
    for attempt in Retrying(retry=collided, stop=stop_after_attempt(8), wait=wait_random(0, 0.3), reraise=True):
        with attempt:
            call(*arguments)


def is_forbidden(error: Exception) -> bool:
    """Whether the server knows who asks, or does not, and refuses: the same call would be refused again."""
    return getattr(error, "error_code", None) in ("PERMISSION_DENIED", "UNAUTHENTICATED")


def explain(error: Exception) -> str:
    """Give an error's first line, without the credentials that an address in it may hold."""
    address = tracking_address()
    text = str(error).replace(address, mask_address(address))
    secret = urlsplit(address).password
    if secret:
        text = text.replace(secret, "***")
    return (text.strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def open_client() -> Any:
    """Return an MLflow client of the tracking store, which is made on its first use.

    Raises:
        EnvironmentFault: the tracking store is not there or cannot be used.
        InputError: MLflow is not installed.
    """
    check_tracking_server()
    prepare_mlflow()
    try:
        from mlflow import MlflowClient  # noqa: PLC0415
    except ImportError as error:
        raise InputError(f"MLflow cannot be imported: {error}.", "install judgeforge[pipeline].") from error
    with using_store(), store_lock(), http_limits(retries=1, timeout_s=10):
        client = MlflowClient(tracking_uri=tracking_address())
        client.search_experiments(max_results=1)  # makes the tables of a fresh database: one process at a time
    return client


@contextlib.contextmanager
def store_lock() -> Iterator[None]:
    """Let one process of this working folder in at a time: for making the store, the experiment, a version."""
    _LOCK_FILE.parent.mkdir(parents=True, exist_ok=True)
    with _LOCK_FILE.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def find_or_create_experiment(client: Any) -> str:
    """Return the id of our experiment. Hold ``store_lock`` around it."""
    found = client.get_experiment_by_name(_EXPERIMENT)
    if found is None:
        return str(client.create_experiment(_EXPERIMENT, artifact_location=_artifact_folder()))
    return str(found.experiment_id)


def store_exists() -> bool:
    """Whether what was recorded can still be there: an SQLite file may have been deleted."""
    address = tracking_address()
    return not address.startswith("sqlite:///") or Path(address.removeprefix("sqlite:///")).is_file()


def _artifact_folder() -> str | None:
    """Put artifacts beside an SQLite file; any other store knows its own place."""
    address = tracking_address()
    if not address.startswith("sqlite:///"):
        return None
    return str(Path(address.removeprefix("sqlite:///")).resolve().parent / "mlartifacts")
