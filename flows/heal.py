"""The flow ``heal``: runs that say Running though their process is gone become Crashed, and what they left is ended.

Prefect's automation (prefect.yaml) starts it when heartbeats of a run cease. It judges by itself, so that a server that
was away, which makes every run look dead, costs no healthy run (flows.remote.health).
"""

import time
from collections.abc import Callable, Sequence
from typing import Annotated
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
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

from flows.logs import Log, find_logger
from flows.notify import TELL, notify
from flows.remote.handing import name_tag
from flows.remote.health import is_silent
from flows.remote.patience import ask_patiently
from flows.remote.running import end_stage
from judgeforge.errors import EnvironmentFault
from judgeforge.params import HEARTBEAT_S

_ADVICE = "If it had machines, their guard or the reaper ends them. Run it again: it goes on where it was."
_STAGE = "reproduce"
"""Its loss is its retraining's business, which starts the stage again by itself."""

FLOWS = ("retrain", _STAGE, "check-data", "watch-champion", "on-demand", "promote", "reap", "heal")
_PATIENCE_S = 3600.0
"""How long a round is repeated in which nobody could tell: the server may be away again and again."""

_ASKING_S = 60.0
"""How long the server may be away for one run's sake; the run's turn comes again."""

_ALIVE = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]


@flow(name="heal", retries=2, retry_delay_seconds=60, on_failure=TELL, on_crashed=TELL)
def heal(lost_after_s: Annotated[int, Field(ge=3 * HEARTBEAT_S)] = 180) -> list[str]:
    """Mark lost runs of judgeforge's flows as Crashed, and cancel the stages of lost retrainings.

    It takes ``lost_after_s`` and a little more: so long must its own signs have come through before it judges others.
    Where they did not, because the server was away meanwhile, it begins that time anew.

    Args:
        lost_after_s: without a sign of life for so long, a run is lost.

    Returns:
        The names of the lost runs.

    Raises:
        EnvironmentFault: the server stays away, or of some run it could not be told or not be written that it is lost.
    """
    log, own = find_logger(), UUID(str(current.id))
    deadline = time.monotonic() + _PATIENCE_S
    lost: list[str] = []

    def judge(run: FlowRun) -> bool | None:
        since = run.start_time
        if run.id == own or since is None:
            return False
        return ask_patiently(lambda client: is_silent(client, run.id, own, since, lost_after_s), _ASKING_S)

    while True:
        time.sleep(lost_after_s + HEARTBEAT_S)
        found, unsettled = settle(ask_patiently(_list_running), judge, lambda run: _end(run, lost_after_s, log), log)
        lost += found
        if not unsettled:
            break
        if time.monotonic() > deadline:
            raise EnvironmentFault(
                f"Whether they are lost could not be settled of {', '.join(unsettled)}.",
                "see the log of this flow run and the Prefect server; the next 'heal' looks at them again.",
            )
        log.warning("Nothing could be settled of %s; once more.", ", ".join(unsettled))
    log.info("%d runs are lost.", len(lost))
    return lost


def settle(
    runs: Sequence[FlowRun], judge: Callable[[FlowRun], bool | None], end: Callable[[FlowRun], None], log: Log
) -> tuple[list[str], list[str]]:
    """End those of the runs that are lost, the failure of one keeping no other.

    Args:
        runs: all that say Running.
        judge: whether one is lost; None: nobody can tell yet.
        end: what is done about one that is.
        log: takes what goes wrong.

    Returns:
        The names of the runs that were ended, and of those that must be looked at again.
    """
    ended: list[str] = []
    unsettled: list[str] = []
    for run in runs:
        try:
            is_lost = judge(run)
            if is_lost:
                end(run)
                ended.append(run.name)
        except Exception as error:  # whatever it is, the others are judged
            log.warning("Flow run %s: %s", run.name, error)
            is_lost = None
        if is_lost is None:
            unsettled.append(run.name)
    return ended, unsettled


def _end(run: FlowRun, lost_after_s: int, log: Log) -> None:
    """Its stages first: once it is Crashed, nobody would look for them again if this broke off."""
    message = f"No sign of life for {lost_after_s} s."
    ask_patiently(lambda client: _cancel_stages(client, run.id), _ASKING_S)
    ask_patiently(lambda client: client.set_flow_run_state(run.id, Crashed(message=message), force=True), _ASKING_S)
    log.warning("Flow run %s is lost: %s", run.name, message)
    _tell(ask_patiently(lambda client: client.read_flow(run.flow_id), _ASKING_S).name, run, message)


def _list_running(client: SyncPrefectClient) -> list[FlowRun]:
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=list(FLOWS))),
        flow_run_filter=_of_states([StateType.RUNNING]),
    )


def _tell(flow: str, run: FlowRun, message: str) -> None:
    """Tell people of what nobody else mends or tells: a flow that another one called is lost with its caller."""
    if flow != _STAGE and run.parent_task_run_id is None:
        notify("failure", f"{flow} ({run.name}) is lost", f"{message} {_ADVICE}", about=run)


def _cancel_stages(client: SyncPrefectClient, retraining: UUID) -> None:
    """End the stages of a lost retraining: what they have done goes to the remote, and the next one goes on from it."""
    chosen = _of_states(_ALIVE).model_copy(update={"tags": FlowRunFilterTags(all_=[name_tag(retraining)])})
    for run in client.read_flow_runs(flow_run_filter=chosen):
        end_stage(client, run, "Its retraining is lost.")


def _of_states(states: list[StateType]) -> FlowRunFilter:
    return FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)))
