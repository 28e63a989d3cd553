"""The flow ``check-data``, for every night: fetch what is new, and retrain if, and only if, the training data changed.

New rows come from imports (``dvc update``) and from people's corrections of grades. Whether they change what judges
learn from is told by the training sets: DVC brings ``prepare`` up to date, and its outputs are compared with those of
the last retraining. Code and values that changed wait for the weekly retraining.
"""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from prefect.tasks import exponential_backoff
from pydantic import PositiveInt

from flows.commands import Finished, ending_commands, explain_stage, run_command
from flows.data_note import has_new_data
from flows.logs import find_logger
from flows.notify import TELL
from flows.pipeline import explain_dvc, find_stale_stages
from flows.retrain import Outcome, check_prefect_server, retrain
from flows.stages import may_pass
from flows.workspace import workspace_lock
from judgeforge.corrections.run import COLLECTION, update_collection
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.files import read_text
from judgeforge.params import load_params
from judgeforge.stage import run_stage as run_program
from judgeforge.tracking import check_tracking_server

_STAGE = "prepare"


def find_imports() -> list[str]:
    """List the .dvc files of imports (``dvc import``, ``dvc import-url``) among what ``prepare`` reads.

    Raises:
        InputError: dvc.yaml or a .dvc file cannot be read.
    """
    stages = _load_yaml(Path("dvc.yaml")).get("stages") or {}
    deps = (stages.get(_STAGE) or {}).get("deps") or []
    folders = [Path(dep) for dep in deps if isinstance(dep, str) and Path(dep).is_dir()]
    files = sorted({path for folder in folders for path in folder.rglob("*.dvc") if path.is_file()})
    return [str(path) for path in files if _load_yaml(path).get("deps")]


def _load_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML.", "restore it from git.") from error
    return document if isinstance(document, dict) else {}


@task(
    name="update-import",
    task_run_name="update-{path}",
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=30),
    retry_condition_fn=may_pass,
    cache_policy=NO_CACHE,
)
def update_import(path: str, lock: int) -> None:
    """Ask the origin of an import for what is new.

    Args:
        path: its .dvc file.
        lock: file descriptor of the workspace's lock.

    Raises:
        EnvironmentFault: the origin is not there, or DVC is busy.
    """
    finished = _run_dvc(["update", path], lock)
    if finished.code:
        said = explain_dvc(finished.output)
        raise EnvironmentFault(f"{path} cannot be updated: {said.problem}", "see whether its origin is there.")


def update_imports(lock: int) -> list[EnvironmentFault]:
    """Update every import by itself: an origin that is away keeps nobody else's rows out.

    Args:
        lock: file descriptor of the workspace's lock.

    Returns:
        What is wrong with those that cannot be updated. They hold what they held.
    """
    faults = []
    for path in find_imports():
        try:
            update_import(path, lock)
        except EnvironmentFault as fault:
            faults.append(fault)
            _run_dvc(["checkout", path], lock)  # DVC removes the rows before it looks for new ones
    return faults


@task(name="take-corrections", cache_policy=NO_CACHE)
def take_corrections(inbox: str, held_out: list[str], lock: int) -> None:
    """Bring people's corrections into the collection, and let DVC version it.

    Args:
        inbox: file or folder of them.
        held_out: YAML files of benchmarks to keep clean, beside those of params.yaml.
        lock: file descriptor of the workspace's lock.

    Raises:
        InputError: the inbox, the collection or a benchmark cannot be read.
    """
    taken = update_collection(Path(inbox), held_out=held_out)
    find_logger().info(
        "Corrections: %d new, %d corrected anew, %d refused.", taken.added, taken.replaced, taken.refused
    )
    is_versioned = COLLECTION.with_name(f"{COLLECTION.name}.dvc").is_file()
    if taken.changed or (COLLECTION.is_dir() and not is_versioned):
        finished = _run_dvc(["add", str(COLLECTION)], lock)
        if finished.code:
            raise explain_dvc(finished.output)


@task(name="prepare-data", retries=1, retry_delay_seconds=60, retry_condition_fn=may_pass, cache_policy=NO_CACHE)
def prepare_data(lock: int) -> None:
    """Bring ``prepare``, and what it needs, up to date.

    Args:
        lock: file descriptor of the workspace's lock.

    Raises:
        InputError, EnvironmentFault: what the stage says.
    """
    finished = _run_dvc(["repro", _STAGE], lock)
    if finished.code:
        raise explain_stage(_STAGE, finished)


def _run_dvc(arguments: list[str], lock: int) -> Finished:
    log: Callable[[str], None] = find_logger().info
    return run_command([sys.executable, "-m", "dvc", *arguments], {}, log, (lock,))


@flow(name="check-data", on_failure=TELL, on_crashed=TELL, on_cancellation=TELL)
def check_data(
    promote: bool = True,
    corrections: str | None = None,
    held_out: list[str] | None = None,
    max_parallel: PositiveInt | None = None,
) -> "Outcome | State[Any]":
    """Look for new data, and retrain if the training sets are not those of the last retraining.

    Args:
        promote: whether to ask the gate after a retraining; otherwise the judge is only registered.
        corrections: file or folder of people's corrections to take in; None: there are none.
        held_out: YAML files of benchmarks that corrections must not leak into, beside those of params.yaml.
        max_parallel: as of ``retrain``.

    Raises:
        EnvironmentFault: imports cannot be updated; raised at the end, when all the rest is done.
    """
    log = find_logger()
    load_params()
    check_tracking_server()
    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context(workspace_lock())
        except EnvironmentFault as busy:  # by the weekly retraining, say: there will be another night
            log.info("Skipped: %s", busy.problem)
            return Completed(name="Skipped", message=busy.problem)
        stack.enter_context(ending_commands())
        faults = update_imports(lock)
        if corrections is not None:
            take_corrections(corrections, held_out or [], lock)
        if find_stale_stages():
            prepare_data(lock)
    outcome: Outcome = "nothing changed"
    if has_new_data():
        log.info("The training data are new: retraining.")
        outcome = retrain(promote=promote, max_parallel=max_parallel)
    else:
        log.info("The training data are those of the last retraining: nothing to do.")
    if faults:
        raise _sum_up(faults, outcome)
    return outcome


def _sum_up(faults: list[EnvironmentFault], outcome: Outcome) -> EnvironmentFault:
    told = " ".join(fault.problem for fault in faults)
    rest = "Everything else was looked at" + ("" if outcome == "nothing changed" else f", and the judge: {outcome}")
    return EnvironmentFault(f"Imports are not up to date. {told} {rest}.", "see whether their origins are there.")


def main(
    promote: Annotated[bool, typer.Option(help="Ask the gate, or only register the judge.")] = True,
    corrections: Annotated[str | None, typer.Option(help="People's corrections: a file or a folder.")] = None,
) -> None:
    """Look for new data once, as the nightly flow does.

    Example: python -m flows.check_data --corrections corrections
    """
    check_prefect_server()
    check_data(promote=promote, corrections=corrections)


if __name__ == "__main__":
    run_program(main)
