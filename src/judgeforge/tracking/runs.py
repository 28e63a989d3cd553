"""One run of a stage: opened, filled while the work goes on, and ended whatever happens to the work."""

import contextlib
import getpass
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from judgeforge.progress import say
from judgeforge.servers import mask_address
from judgeforge.tracking.store import (
    PARENT_VARIABLE,
    explain,
    find_or_create_experiment,
    http_limits,
    open_client,
    store_lock,
    tracking_address,
    using_store,
)

_HOST_TAG, _PROCESS_TAG = "judgeforge.host", "judgeforge.process"
_PAUSE_S = 30.0
"""How long to leave a silent server alone, so that it does not slow down the work that is being recorded."""

_MAX_PARAMS, _MAX_METRICS = 100, 1000
"""Entries of one request, limits of MLflow's REST API."""


class Run:
    """An open run. Recording never raises: a stage's work is worth more than its record.

    Args:
        client: an MLflow client.
        run_id: the run.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self.run_id = run_id
        self._client = client
        self._metrics: list[Any] = []
        self._artifacts: list[tuple[Path, str | None]] = []
        self._silent_until = 0.0
        self._warned = False

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Record ``values`` at ``step``, now or, if the store is away, later."""
        from mlflow.entities import Metric  # noqa: PLC0415

        now = int(time.time() * 1000)
        self._metrics += [Metric(name, float(value), now, step or 0) for name, value in values.items()]
        if time.monotonic() >= self._silent_until:
            self._send_metrics(retries=0)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Keep a copy of a file, or of all files in a folder, with the run, below ``folder`` if one is given."""
        self._artifacts.append((path, folder))
        if time.monotonic() >= self._silent_until:
            self._send_artifacts(retries=1)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tag the run; a tag that cannot be set is dropped with a warning."""
        for name, value in tags.items():
            self._attempt(partial(self._client.set_tag, self.run_id, name, value), retries=1)

    def close(self, status: str) -> None:
        """Send what is still waiting and end the run with ``status``."""
        done = self._send_metrics(retries=3) and self._send_artifacts(retries=3)
        done = done and self._attempt(partial(self._client.set_terminated, self.run_id, status), retries=3)
        if not done:
            say(
                f"Not recorded in run {self.run_id}: {len(self._metrics)} metric points, {len(self._artifacts)} files, "
                f"its end ({status}). The stage's own output is not touched by this."
            )

    def _send_metrics(self, retries: int) -> bool:
        while self._metrics:
            batch = self._metrics[:_MAX_METRICS]
            if not self._attempt(partial(self._client.log_batch, self.run_id, metrics=batch), retries):
                return False
            del self._metrics[: len(batch)]
        return True

    def _send_artifacts(self, retries: int) -> bool:
        while self._artifacts:
            path, folder = self._artifacts[0]
            send = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
            if not self._attempt(partial(send, self.run_id, str(path), folder), retries, timeout_s=120):
                return False
            del self._artifacts[0]
        return True

    def _attempt(self, action: Callable[[], object], retries: int, timeout_s: int = 10) -> bool:
        try:
            with http_limits(retries, timeout_s):
                action()
        except Exception as error:
            self._silent_until = time.monotonic() + _PAUSE_S
            if not self._warned:
                say(f"Warning: MLflow at {mask_address(tracking_address())} does not take records: {explain(error)}.")
                self._warned = True
            return False
        self._warned = False
        return True


@contextlib.contextmanager
def stage_run(name: str, params: Mapping[str, object], tags: Mapping[str, str] | None = None) -> Iterator[Run]:
    """Open a run, nested in the one that JUDGEFORGE_PARENT_RUN_ID names; an exception ends it as FAILED or KILLED.

    Args:
        name: as in ``train-direct``.
        params: recorded flat: ``{"lora": {"rank": 8}}`` as ``lora.rank``.
        tags: recorded with the run.

    Raises:
        EnvironmentFault: the tracking store is not there or cannot be used.
        InputError: MLflow is not installed.
    """
    run = _open_run(name, params, tags or {})
    status = "FINISHED"
    try:
        yield run
    except BaseException as error:
        status = status_after(error)
        raise
    finally:
        run.close(status)


def status_after(error: BaseException) -> str:
    """Tell a kill (an interrupt, or a signal turned into an exception) from a failure."""
    if isinstance(error, SystemExit):
        killed = isinstance(error.code, int) and error.code > 128  # 128 + the signal's number, as in a shell
        return "KILLED" if killed else "FAILED" if error.code else "FINISHED"
    return "FAILED" if isinstance(error, Exception) else "KILLED"


def _open_run(name: str, params: Mapping[str, object], tags: Mapping[str, str]) -> Run:
    client = open_client()
    from mlflow.entities import Param  # noqa: PLC0415

    flat = [Param(key, value) for key, value in flatten_params(params).items()]
    with using_store(), store_lock(), http_limits(retries=1, timeout_s=10):
        experiment = find_or_create_experiment(client)
        _close_dead_runs(client, experiment)
        run_id = client.create_run(experiment, run_name=name, tags=_standard_tags() | dict(tags)).info.run_id
        for start in range(0, len(flat), _MAX_PARAMS):
            client.log_batch(run_id, params=flat[start : start + _MAX_PARAMS])
    return Run(client, run_id)


def flatten_params(params: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Flatten nested parameters to dotted names; values that are no text become JSON."""
    flat: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat |= flatten_params(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def _standard_tags() -> dict[str, str]:
    process = _identify_process(os.getpid()) or ""
    tags = {_HOST_TAG: socket.gethostname(), _PROCESS_TAG: process, "mlflow.user": name_user()}
    parent = os.environ.get(PARENT_VARIABLE)
    return tags | ({"mlflow.parentRunId": parent} if parent else {})


def name_user() -> str:
    """Name the person, or the account, that runs this process: as the tracking server knows them, if it does."""
    known = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if known:
        return known
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


def _identify_process(pid: int) -> str | None:
    """Name a living process by its number and its start, since numbers are used again; None if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else f"{pid}:{fields[19]}"


def _close_dead_runs(client: Any, experiment: str) -> None:
    """Mark runs as killed whose process on this machine is gone without having ended them (kill -9, power)."""
    running = f"attributes.status = 'RUNNING' and tags.`{_HOST_TAG}` = '{socket.gethostname()}'"
    for run in client.search_runs([experiment], running):
        process = run.data.tags.get(_PROCESS_TAG, "")
        pid = process.partition(":")[0]
        if pid.isdigit() and _identify_process(int(pid)) != process:
            client.set_terminated(run.info.run_id, "KILLED")
