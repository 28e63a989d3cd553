"""One stage on a worker, seen from the retraining: hand it over, watch it, and take it back or end it."""

import time
from dataclasses import dataclass
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.runtime import flow_run as current
from prefect.states import Cancelling, Crashed

from flows.commands import is_stopping, run_dvc
from flows.logs import Log
from flows.pipeline import Graph, explain_dvc
from flows.remote.health import is_silent
from flows.remote.reproduce import read_error
from flows.remote.snapshot import Snapshot, take_snapshot
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.params import Params, RunnerParams

DEPLOYMENT = "reproduce/judgeforge-gpu"
_POLL_S = 2.0
_SERVER_AWAY_S = 900.0
"""How long a retraining goes on without an answer of the Prefect server: its stages run on without it."""
_CANCEL_S = 60.0
SETTLE_S = _CANCEL_S + 30.0
"""Within which every stage has been ended, here and on workers."""


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


def name_tag(retraining: UUID | None) -> str:
    """Return the tag that the stages of a retraining bear."""
    return f"judgeforge:retraining:{retraining}"


def run_remotely(stage: str, order: Order, log: Log) -> None:
    """Have a worker of the pool run ``stage``, and return when its result is in DVC's remote.

    A run of the same stage on the same state, left by a retraining that was killed, is taken over.

    Raises:
        InputError: the stage says so, or the project is not fit to travel.
        EnvironmentFault: the worker was lost, no worker came, or the stage gave way to its surroundings.
    """
    snapshot = take_snapshot(stage, order.graph)
    _push_inputs(stage, order.graph, snapshot, log)
    with get_client(sync_client=True) as client:
        run = _hand_over(client, stage, snapshot, order)
        log.info("%s is with the pool %s as flow run %s.", stage, order.params.runner.pool, run.name)
        try:
            run = _watch(client, run, order.params.runner, log)
        except BaseException:
            _cancel(client, run.id, log)
            raise
    _judge(stage, run)


def _push_inputs(stage: str, graph: Graph, snapshot: Snapshot, log: Log) -> None:
    pointers = [name for name in snapshot.files if name.endswith(".dvc")]
    targets = [*sorted(graph.get(stage, ())), *pointers]
    if not targets:
        return
    pushed = run_dvc(["push", *targets], {}, log.info)
    if pushed.code:
        said = explain_dvc(pushed.output)
        raise EnvironmentFault(
            f"What stage {stage} needs could not be pushed: {said.problem}", "see 'dvc remote list'."
        )


def _hand_over(client: SyncPrefectClient, stage: str, snapshot: Snapshot, order: Order) -> FlowRun:
    """Start a flow run on the pool, or find the one that runs this stage on this state already."""
    try:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound as error:
        raise InputError(
            f"The Prefect server has no deployment {DEPLOYMENT}.",
            "run 'prefect deploy --all' in the repository's root.",
        ) from error
    digest, attempt = snapshot.digest(stage), 0
    while True:
        attempt += 1
        run = client.create_flow_run_from_deployment(
            deployment.id,
            parameters={
                "stage": stage,
                "snapshot": snapshot.model_dump(),
                "model": order.params.promote.model_name,
                "sync_every_s": order.params.runner.sync_every_s,
                "parent_run": order.parent_run,
            },
            name=f"{stage}-{digest[:6]}-{attempt}",
            idempotency_key=f"{digest}-{attempt}",
            tags=[name_tag(_get_own_id())],
        )
        if run.state is None or not run.state.is_final():
            return client.read_flow_run(run.id)


def _watch(client: SyncPrefectClient, run: FlowRun, runner: RunnerParams, log: Log) -> FlowRun:
    """Wait until the run has ended; a server that is away for a while is waited for, too."""
    heard, waiting_since = time.monotonic(), time.monotonic()
    while not (run.state and run.state.is_final()):
        if is_stopping():
            raise EnvironmentFault("The flow is ending.", "run the flow again.")
        time.sleep(_POLL_S)
        try:
            run = client.read_flow_run(run.id)
            heard = time.monotonic()
            if run.state and run.state.type in (StateType.SCHEDULED, StateType.PENDING):
                _expect_a_worker(client, run, runner, waiting_since)
            else:
                waiting_since = time.monotonic()
                _expect_a_sign(client, run, runner)
        except (httpx.TransportError, PrefectHTTPStatusError) as error:
            if time.monotonic() - heard > _SERVER_AWAY_S:
                raise EnvironmentFault(
                    f"The Prefect server has been away for too long: {error}.", "start it."
                ) from error
            log.debug("The Prefect server does not answer: %s", error)
    return run


def _expect_a_worker(client: SyncPrefectClient, run: FlowRun, runner: RunnerParams, since: float) -> None:
    if time.monotonic() - since <= 60 * runner.start_minutes:
        return
    client.set_flow_run_state(run.id, Cancelling(message="No worker took it."), force=True)
    raise EnvironmentFault(
        f"No worker of the pool {runner.pool} took {run.name} within {runner.start_minutes} minutes.",
        f"start one ('prefect worker start --pool {runner.pool}'), or see why its machines do not come up.",
    )


def _expect_a_sign(client: SyncPrefectClient, run: FlowRun, runner: RunnerParams) -> None:
    own = _get_own_id()
    if own is None or run.start_time is None or run.state is None or run.state.type != StateType.RUNNING:
        return
    if is_silent(client, run.id, own, run.start_time, runner.lost_after_s):
        client.set_flow_run_state(run.id, Crashed(message=f"No sign of life for {runner.lost_after_s} s."), force=True)


def _cancel(client: SyncPrefectClient, run: UUID, log: Log) -> None:
    """End the run on the worker, and wait for that: what it has done so far goes to the remote first."""
    deadline = time.monotonic() + _CANCEL_S
    try:
        state = client.read_flow_run(run).state
        if state and state.is_final():
            return
        client.set_flow_run_state(run, Cancelling(message="The retraining ends."), force=True)
        while time.monotonic() < deadline:
            state = client.read_flow_run(run).state
            if state and state.is_final():
                return
            time.sleep(0.5)
        log.warning("Flow run %s is still being cancelled.", run)
    except (httpx.HTTPError, PrefectHTTPStatusError, ObjectNotFound) as error:
        log.warning("Flow run %s could not be cancelled, its worker may go on: %s", run, error)


def _judge(stage: str, run: FlowRun) -> None:
    state = run.state
    if state is None or state.type == StateType.COMPLETED:
        return
    if error := read_error(state.message):
        raise error
    if state.type == StateType.CANCELLED:
        raise InputError(
            f"Somebody cancelled stage {stage} (flow run {run.name}).", "run again; it goes on from there."
        )
    what = "was lost" if state.type == StateType.CRASHED else "failed"
    raise EnvironmentFault(
        f"Stage {stage} {what} on its worker: {(state.message or state.name or '').rstrip('.')}.",
        f"see the log of flow run {run.name}; what it had done is in DVC's remote.",
    )


def _get_own_id() -> UUID | None:
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        return context.flow_run.id
    return UUID(current.id) if current.id else None
