"""The flow ``promote``: register the judge that params.yaml names and let the gate decide. ``retrain`` ends so, too."""

import logging
import sys
from typing import Literal

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import MissingContextError

from flows.commands import ending_commands, explain_exit, run_command
from judgeforge.tracking import PARENT_VARIABLE, check_tracking_server

Outcome = Literal["registered", "promoted", "refused"]
_REFUSED = 3  # exit status of judgeforge.promote where the gate says no, or cannot decide


def find_logger() -> "logging.Logger | logging.LoggerAdapter[logging.Logger]":
    """Return the run's logger, or the module's where no run is on."""
    try:
        return get_run_logger()
    except MissingContextError:
        return logging.getLogger("flows")


@task(name="promote", task_run_name="promote", cache_policy=NO_CACHE)
def promote_judge(to: str, why: str, force: bool = False, parent_run: str | None = None) -> Outcome:
    """Run ``python -m judgeforge.promote``.

    Args:
        to: ``challenger`` (register only) or ``champion`` (ask the gate, too).
        why: the reason, for the record.
        force: promote against the gate.
        parent_run: the MLflow run in which the registration nests.

    Raises:
        InputError, EnvironmentFault: what the program says.
    """
    log = find_logger()
    command = [sys.executable, "-m", "judgeforge.promote", "--to", to, "--why", why, *(["--force"] if force else [])]
    finished = run_command(command, {PARENT_VARIABLE: parent_run} if parent_run else {}, log.info)
    if finished.code == _REFUSED:
        return "refused"
    if finished.code:
        raise explain_exit("promote", finished.code, finished.output)
    return "promoted" if to == "champion" else "registered"


@flow(name="promote")
def promote(to: Literal["challenger", "champion"] = "champion", why: str = "", force: bool = False) -> Outcome:
    """Register the judge and let the gate decide, apart from any training.

    Args:
        to: ``challenger`` or ``champion``.
        why: the reason, for the record.
        force: promote against the gate; needs ``why``.
    """
    check_tracking_server()
    with ending_commands():
        return promote_judge(to, why, force)
