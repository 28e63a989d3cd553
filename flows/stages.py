"""The task ``stage``: bring one stage up to date, here or on a worker of the pool."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from flows.commands import Finished, explain_stage, is_stopping, run_dvc
from flows.logs import find_logger
from flows.placing import FINAL, Places
from flows.remote.running import NotTakenError, Order, prepare_stage, run_remotely
from judgeforge.errors import EnvironmentFault, NotComputedError
from judgeforge.stage import CACHED_ONLY_VARIABLE
from judgeforge.tracking import PARENT_VARIABLE

REMOTE_RETRIES = 5
"""More than of a stage that runs here: interruptible machines are taken away, and the stage goes on where it was."""


def may_pass(_task: Any, _run: Any, state: Any) -> bool:
    """Whether a failed stage is worth another try: faults of the surroundings are, bad input and defects are not.

    Nor is it where machines came and did not work, or could not be ended: others would come on top of them.
    """
    return isinstance(state.data, EnvironmentFault) and not isinstance(state.data, FINAL) and not is_stopping()


@task(
    name="stage",
    task_run_name="{stage}",
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=10),
    retry_condition_fn=may_pass,
    cache_policy=NO_CACHE,
)
def run_stage(
    stage: str,
    lock: int | None = None,
    order: Order | None = None,
    places: Places | None = None,
) -> None:
    """Bring one stage up to date by ``dvc repro --single-item``.

    Args:
        stage: its name in the graph.
        lock: file descriptor of the workspace's lock.
        order: of the retraining that the stage belongs to, if any.
        places: of that retraining; None: every stage runs here.

    Raises:
        InputError, EnvironmentFault: what the stage says.
    """
    if order is None or places is None or not places.is_remote(stage):
        variables = {PARENT_VARIABLE: order.parent_run} if order and order.parent_run else {}
        finished = _reproduce(stage, lock, variables)
        if finished.code:
            raise explain_stage(stage, finished)
    else:
        _run_in_pool(stage, lock, order, places)


def _run_in_pool(stage: str, lock: int | None, order: Order, places: Places) -> None:
    """Have a worker run one stage. Its inputs go first: machines that waited for them would end as idle."""
    log = find_logger()
    with places.preparing():
        if _take_from_cache(stage, lock):
            return
        snapshot = prepare_stage(stage, order, log)
    machines = places.ensure_workers()
    try:
        with places.at_work(stage) as note:
            run_remotely(stage, snapshot, order, log, note)
    except NotTakenError:
        places.give_up(machines)
        raise
    if not _take_from_cache(stage, lock):
        raise NotComputedError(
            f"Stage {stage} ran on a worker, on other inputs than those here.",
            "look for files that neither git nor DVC tracks ('dvc add' data in collections).",
        )


def _take_from_cache(stage: str, lock: int | None) -> bool:
    """Bring a stage up to date from DVC's run cache, the remote's included; False where its result is in neither."""
    finished = _reproduce(stage, lock, {CACHED_ONLY_VARIABLE: "1"}, "--pull")
    if not finished.code:
        return True
    error = explain_stage(stage, finished)
    if isinstance(error, NotComputedError):
        return False
    raise error


def _reproduce(stage: str, lock: int | None, variables: dict[str, str], *options: str) -> Finished:
    log = find_logger()
    return run_dvc(
        ["repro", "--single-item", *options, stage],
        variables,
        lambda line: log.info("%s | %s", stage, line),
        () if lock is None else (lock,),
    )
