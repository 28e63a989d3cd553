"""The flow ``heal``: runs that say Running though their process is gone become Crashed, and what they left is ended.

Prefect's automation (prefect.yaml) starts it when heartbeats of a run cease. It judges by itself, so that a server that
was away, which makes every run look dead, costs no healthy run (flows.remote.health).
"""

import time
from typing import Annotated
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.runtime import flow_run as current
from prefect.states import Crashed
from pydantic import Field

from flows.logs import find_logger
from flows.notify import notify
from flows.remote.handing import name_tag
from flows.remote.health import is_silent
from flows.remote.running import end_stage
from judgeforge.params import HEARTBEAT_S

_ADVICE = "If it had machines, their guard or the reaper ends them. Run it again: it goes on where it was."
_STAGE = "reproduce"
"""Its loss is its retraining's business, which starts the stage again by itself."""

FLOWS = ("retrain", _STAGE, "check-data", "watch-champion", "on-demand", "promote", "reap", "heal")
_ALIVE = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]


@flow(name="heal")
def heal(lost_after_s: Annotated[int, Field(ge=3 * HEARTBEAT_S)] = 180) -> list[str]:
    """Mark lost runs of judgeforge's flows as Crashed, and cancel the stages of lost retrainings.

    It takes ``lost_after_s`` and a little more: so long must its own signs have come through before it judges others.

    Args:
        lost_after_s: without a sign of life for so long, a run is lost.

    Returns:
        The names of the lost runs.
    """
    log, own = find_logger(), UUID(str(current.id))
    time.sleep(lost_after_s + HEARTBEAT_S)
    lost: list[str] = []
    with get_client(sync_client=True) as client:
        for run in _list_running(client):
            if run.id == own or run.start_time is None:
                continue
            if is_silent(client, run.id, own, run.start_time, lost_after_s):
                message = f"No sign of life for {lost_after_s} s."
                client.set_flow_run_state(run.id, Crashed(message=message), force=True)
                log.warning("Flow run %s is lost: %s", run.name, message)
                lost.append(run.name)
                _tell(client, run, message)
                _cancel_stages(client, run.id)
    log.info("%d runs are lost.", len(lost))
    return lost


def _list_running(client: SyncPrefectClient) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=list(FLOWS))),
        flow_run_filter=_of_states([StateType.RUNNING]),
    )


def _tell(client: SyncPrefectClient, run: FlowRun, message: str) -> None:
    """Tell people of what nobody else mends or tells: a flow that another one called is lost with its caller."""
    flow = client.read_flow(run.flow_id).name
    if flow != _STAGE and run.parent_task_run_id is None:
        notify("failure", f"{flow} ({run.name}) is lost", f"{message} {_ADVICE}", about=run)


def _cancel_stages(client: SyncPrefectClient, retraining: UUID) -> None:
    """End the stages of a lost retraining: what they have done goes to the remote, and the next one goes on from it."""
    chosen = _of_states(_ALIVE).model_copy(update={"tags": FlowRunFilterTags(all_=[name_tag(retraining)])})
    for run in client.read_flow_runs(flow_run_filter=chosen):
        end_stage(client, run, "Its retraining is lost.")


def _of_states(states: list[StateType]) -> FlowRunFilter:
    return FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)))
