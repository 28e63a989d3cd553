"""One stage on a worker, seen from the retraining: hand it over, watch it, and take it back or end it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run as current
from prefect.states import Cancelling, Crashed

from flows.commands import is_stopping, run_dvc
from flows.logs import Log
from flows.pipeline import Graph, explain_dvc
from flows.remote.checkout import CheckoutBusyError
from flows.remote.handing import ENDED_TAG, hand_over
from flows.remote.health import is_silent
from flows.remote.patience import ask_patiently
from flows.remote.reproduce import read_error
from flows.remote.snapshot import Snapshot, take_snapshot
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.params import Params, RunnerParams

_POLL_S, _LISTEN_S = 1.0, 10.0
_CANCEL_S = 60.0
_CANCEL_ASKING_S = 10.0
SETTLE_S = _CANCEL_S + 30.0
"""Within which every stage has been ended, here and on workers."""


class NotTakenError(EnvironmentFault):
    """No worker took a stage, though none of the pool was at work."""


@dataclass(frozen=True)
class Order:
    """What is the same for all stages of a retraining.

    Args:
        params: of the project.
        graph: of its stages.
        parent_run: the MLflow run in which the stages' runs nest.
    """

    params: Params
    graph: Graph
    parent_run: str | None


def prepare_stage(stage: str, order: Order, log: Log) -> Snapshot:
    """Bring what ``stage`` needs into DVC's remote, and return what a worker must know to run it.

    Raises:
        InputError: the project is not fit to travel.
        EnvironmentFault: the inputs could not be pushed.
    """
    snapshot = take_snapshot(stage, order.graph)
    push_inputs(stage, order.graph, snapshot, log)
    return snapshot


def run_remotely(
    stage: str, snapshot: Snapshot, order: Order, log: Log, note: Callable[[bool], None] = lambda _: None
) -> None:
    """Have a worker of the pool run ``stage``, and return when its result is in DVC's remote.

    A run of the same stage on the same state, left by a retraining that was killed, is taken over.

    Args:
        stage: its name in the graph.
        snapshot: what ``prepare_stage`` returned.
        order: of the retraining.
        log: takes what a person should know.
        note: told at every look whether a worker has taken the stage.

    Raises:
        InputError: the stage says so.
        NotTakenError: no worker came.
        EnvironmentFault: the worker was lost, or the stage gave way to its surroundings.
    """
    own, runner = _get_own_id(), order.params.runner
    while True:
        run = ask_patiently(lambda client: hand_over(client, stage, snapshot, order.params, order.parent_run, own))
        log.info("%s is with the pool %s as flow run %s.", stage, runner.pool, run.name)
        try:
            run = _watch(run, runner, own, note)
        except BaseException:
            _cancel(run, log)
            raise
        if not _is_put_off(run):
            break
        log.info("The checkout of the worker that took %s is at work on another stage; once more.", stage)
    _judge(stage, run)


def push_inputs(stage: str, graph: Graph, snapshot: Snapshot, log: Log) -> None:
    """Push what a stage needs.

    Raises:
        EnvironmentFault: that fails.
    """
    pointers = [name for name in snapshot.files if name.endswith(".dvc")]
    targets = [*sorted(graph.get(stage, ())), *snapshot.bases, *pointers]
    if not targets:
        return
    pushed = run_dvc(["push", *targets], {}, log.info)
    if pushed.code:
        said = explain_dvc(pushed.output)
        raise EnvironmentFault(
            f"What stage {stage} needs could not be pushed: {said.problem}", "see 'dvc remote list'."
        )


def _watch(run: FlowRun, runner: RunnerParams, own: UUID | None, note: Callable[[bool], None]) -> FlowRun:
    """Wait until the run has ended; a server that is away for a while is waited for, too."""
    waiting_since = listened = time.monotonic()
    while not (run.state and run.state.is_final()):
        if is_stopping():
            raise EnvironmentFault("The flow is ending.", "run the flow again.")
        time.sleep(_POLL_S)
        run = ask_patiently(lambda client: client.read_flow_run(run.id))  # noqa: B023 - called at once
        now = time.monotonic()
        note(run.state is not None and run.state.type != StateType.SCHEDULED)
        if run.state and run.state.type in (StateType.SCHEDULED, StateType.PENDING):
            if now - waiting_since > 60 * runner.start_minutes:
                _expect_a_busy_pool(run, runner)
                waiting_since = now
            continue
        waiting_since = now
        if own and now - listened > _LISTEN_S:
            listened = now
            _expect_a_sign(run, runner, own)
    return run


def _expect_a_busy_pool(run: FlowRun, runner: RunnerParams) -> None:
    """Check that others are at work in the pool: then the run waits for its turn."""
    working = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])))
    place = DeploymentFilter(id=DeploymentFilterId(any_=[run.deployment_id] if run.deployment_id else []))
    if ask_patiently(lambda client: client.read_flow_runs(deployment_filter=place, flow_run_filter=working, limit=1)):
        return
    raise NotTakenError(
        f"No worker of the pool {runner.pool} took {run.name} within {runner.start_minutes} minutes.",
        f"start one ('prefect worker start --pool {runner.pool}'), or see why its machines do not come up.",
    )


def _expect_a_sign(run: FlowRun, runner: RunnerParams, own: UUID) -> None:
    """Mark the run as Crashed if it is silent; the next look finds it ended."""
    state, begun = run.state, run.start_time
    if state is None or begun is None or state.type != StateType.RUNNING:
        return

    def judge(client: SyncPrefectClient, since: datetime = begun) -> None:
        if is_silent(client, run.id, own, since, runner.lost_after_s):
            silence = f"No sign of life for {runner.lost_after_s} s."
            client.set_flow_run_state(run.id, Crashed(message=silence), force=True)

    ask_patiently(judge)


def end_stage(client: SyncPrefectClient, run: FlowRun, why: str) -> None:
    """Cancel a stage's run, and note that no person did: its worker sends what it has done so far, and ends it."""
    client.update_flow_run(run.id, tags=[*run.tags, ENDED_TAG])
    client.set_flow_run_state(run.id, Cancelling(message=why), force=True)


def _cancel(run: FlowRun, log: Log) -> None:
    """End the run on the worker, and wait for that: what it has done so far goes to the remote first."""
    deadline = time.monotonic() + _CANCEL_S

    def has_ended(client: SyncPrefectClient) -> bool:
        state = client.read_flow_run(run.id).state
        return state is not None and state.is_final()

    def end(client: SyncPrefectClient) -> None:
        if not has_ended(client):
            end_stage(client, run, "The retraining ends.")

    try:
        ask_patiently(end, _CANCEL_ASKING_S, even_stopping=True)
        while not ask_patiently(has_ended, _CANCEL_ASKING_S, even_stopping=True):
            if time.monotonic() > deadline:
                log.warning("Flow run %s is still being cancelled.", run.name)
                return
            time.sleep(0.5)
    except (EnvironmentFault, httpx.HTTPError, ObjectNotFound) as error:
        log.warning("Flow run %s could not be cancelled, and its worker may go on: %s", run.name, error)


def _is_put_off(run: FlowRun) -> bool:
    """Whether the stage was not begun: no try is used up, and the worker's own waiting keeps tries apart."""
    return run.state is not None and isinstance(read_error(run.state.message), CheckoutBusyError)


def _judge(stage: str, run: FlowRun) -> None:
    state = run.state
    if state is None or state.type == StateType.COMPLETED:
        return
    if error := read_error(state.message):
        raise error
    if state.type == StateType.CANCELLED and ENDED_TAG not in run.tags:
        raise InputError(f"Somebody cancelled stage {stage} (flow run {run.name}).", "run again: it goes on.")
    what = "failed" if state.type == StateType.FAILED else "was lost"
    raise EnvironmentFault(
        f"Stage {stage} {what} on its worker: {(state.message or state.name or '').rstrip('.')}.",
        f"see the log of flow run {run.name}; what it had done is in DVC's remote.",
    )


def _get_own_id() -> UUID | None:
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        return context.flow_run.id
    return UUID(current.id) if current.id else None
