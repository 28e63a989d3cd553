"""The flow ``reproduce``: what a worker does for one stage. It is started by ``retrain``, never by a person.

Check out the commit, take over the small files, pull, reproduce the stage, push the result with the run cache.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.commands import Finished, StageDefectError, ending_commands, explain_stage, run_dvc
from flows.logs import find_logger
from flows.pipeline import explain_dvc
from flows.remote.checkout import CheckoutBusyError, hold_checkout
from flows.remote.progress import HOME, Syncing, claim_progress, fetch_progress, finish_progress, name_artifact
from flows.remote.snapshot import Snapshot, restore_snapshot
from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError
from judgeforge.tracking import PARENT_VARIABLE

KEPT = (".dvc/cache", ".dvc/tmp", ".dvc/config.local", str(HOME), ".venv")
"""What stays on a worker from stage to stage, though git ignores it."""

KINDS: dict[str, type[JudgeforgeError]] = {
    kind.__name__: kind
    for kind in (InputError, CheckoutBusyError, EnvironmentFault)  # the nearest kind first
}
_STAGE = re.compile(r"\w[\w@.-]*")


@flow(name="reproduce", flow_run_name="{stage}")
def reproduce(
    stage: str, snapshot: Snapshot, model: str, sync_every_s: int, parent_run: str | None = None
) -> State[Any]:
    """Run one stage in this worker's checkout, and send its result to DVC's remote.

    Args:
        stage: its name in the graph.
        snapshot: of the project that it belongs to.
        model: registered model that is retrained; its progress is kept under this name.
        sync_every_s: how often progress goes to the remote while the stage runs.
        parent_run: the MLflow run in which the stage's run nests.

    Returns:
        Completed; or Failed with the error in its message, for ``read_error``.
    """
    if not _STAGE.fullmatch(stage):
        raise ValueError(f"no stage's name: {stage!r}")
    try:
        _refuse_on_an_ending_machine()
        with hold_checkout() as lock, ending_commands():
            restore_snapshot(snapshot, KEPT, lock)
            pull_beside(snapshot, lock)
            claim_progress(stage)
            key = name_artifact(model, stage)
            fetch_progress(key, find_logger())
            _compute(lock, stage, key, sync_every_s, parent_run)
            _must(_run(lock, "push", "--run-cache", stage), "push")
            finish_progress(key, find_logger())
    except JudgeforgeError as error:
        return Failed(message=write_error(error))
    return Completed(message=f"{stage} is in the remote.")


def pull_beside(snapshot: Snapshot, lock: int) -> None:
    """Pull what a stage reads beside the outputs of stages that it needs: data of one's own, and adapters' bases.

    Args:
        snapshot: of the flow's project, restored here.
        lock: file descriptor of the checkout's lock.

    Raises:
        EnvironmentFault: that fails.
    """
    pulled = [*(name for name in snapshot.files if name.endswith(".dvc")), *snapshot.bases]
    if pulled:
        _must(_run(lock, "pull", *pulled), "pull")


def _refuse_on_an_ending_machine() -> None:
    """A watchdog that has begun to end its machine says so in a file: what began now would be broken off."""
    place = os.environ.get("JUDGEFORGE_ENDING")
    if place and Path(place).is_file():
        raise EnvironmentFault("This machine is about to end.", "another one takes the stage.")


def _compute(lock: int, stage: str, key: str, sync_every_s: int, parent_run: str | None) -> None:
    with Syncing(key, sync_every_s, find_logger()):
        variables = {PARENT_VARIABLE: parent_run} if parent_run else {}
        finished = _run(lock, "repro", "--single-item", "--pull", stage, **variables)
        if finished.code:
            raise explain_stage(stage, finished)


def _run(lock: int, *arguments: str, **variables: str) -> Finished:
    """Run DVC with the checkout's lock: left by a killed flow, it holds the checkout until it is done."""
    return run_dvc(arguments, variables, find_logger().info, (lock,))


def _must(finished: Finished, what: str) -> None:
    if finished.code:
        said = explain_dvc(finished.output)
        raise EnvironmentFault(f"dvc {what} failed on the worker: {said.problem}", "see DVC's remote and its rights.")


def write_error(error: JudgeforgeError) -> str:
    """Write an error as the message of a state, which is all that comes back from a worker."""
    kind = next((name for name, kind in KINDS.items() if isinstance(error, kind)), StageDefectError.__name__)
    return json.dumps({"kind": kind, "problem": error.problem, "remedy": error.remedy})


def read_error(message: str | None) -> JudgeforgeError | None:
    """Read an error that a worker wrote; None where the message is something else."""
    try:
        found = json.loads(message or "")
        return KINDS.get(found["kind"], StageDefectError)(found["problem"], found["remedy"])
    except (ValueError, KeyError, TypeError):
        return None
