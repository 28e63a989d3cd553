"""One retraining at a time per model, over all machines that one Prefect server knows."""

import contextlib
import time
from collections.abc import Iterator
from typing import Literal
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from prefect.runtime import flow_run as current
from prefect.settings import get_current_settings

from flows.remote.patience import ask_patiently
from judgeforge.errors import EnvironmentFault

WhenBusy = Literal["wait", "refuse"]
_LEASE_S = 300.0
"""A living holder renews its lease in time, also where the server is away for some minutes."""

_PAUSE_S = 15.0
_WAITING = "judgeforge:waiting"
_AT_WORK = [StateType.RUNNING, StateType.CANCELLING]


def name_limit(model: str) -> str:
    """Return the name of the concurrency limit of a registered model."""
    return f"judgeforge-retrain-{model}"


@contextlib.contextmanager
def one_at_a_time(model: str, when_busy: WhenBusy) -> Iterator[None]:
    """Hold the model's only place while the block runs. Without a lasting server nobody else could come.

    Args:
        model: its registered name.
        when_busy: ``wait`` until the place is free, or ``refuse`` at once.

    Raises:
        EnvironmentFault: somebody retrains this model, and ``when_busy`` is ``refuse``.
    """
    if not get_current_settings().api.url:
        yield
        return
    with contextlib.ExitStack() as stack:
        while True:
            ask_patiently(lambda client: _open(client, name_limit(model)))
            try:
                stack.enter_context(_place(name_limit(model)))
                break
            except ConcurrencySlotAcquisitionError as error:
                if not (_is_taken(error) and when_busy == "wait"):
                    raise _explain(error, model) from error
            with _marked_as_waiting():  # and no more when it tries: it may hold the place from then on
                time.sleep(_PAUSE_S)
        yield


def _place(name: str) -> contextlib.AbstractContextManager[None]:
    return concurrency(
        name,
        max_retries=0,
        lease_duration=_LEASE_S,
        strict=True,
        raise_on_lease_renewal_failure=False,  # a server that is away for a while ends no retraining
    )


def _open(client: SyncPrefectClient, name: str) -> None:
    client.upsert_global_concurrency_limit_by_name(name=name, limit=1)
    _free_if_left(client, name)


@contextlib.contextmanager
def _marked_as_waiting() -> Iterator[None]:
    """Tag the own run: Prefect takes it for running, but it holds no place."""
    run, tags = UUID(str(current.id)), list(current.tags or ())
    ask_patiently(lambda client: client.update_flow_run(run, tags=[*tags, _WAITING]))
    try:
        yield
    finally:
        ask_patiently(lambda client: client.update_flow_run(run, tags=tags))


def _free_if_left(client: SyncPrefectClient, name: str) -> None:
    """Free a place whose holder is gone: killed, it keeps it for minutes; if the server started anew, for ever."""
    if not client.read_global_concurrency_limit_by_name(name).active_slots:
        return
    others = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["retrain"])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_AT_WORK))),
    )
    if all(str(run.id) == current.id or _WAITING in run.tags for run in others):
        client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(active_slots=0))


def _is_taken(error: ConcurrencySlotAcquisitionError) -> bool:
    cause = error.__cause__
    return isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code == httpx.codes.LOCKED


def _explain(error: ConcurrencySlotAcquisitionError, model: str) -> EnvironmentFault:
    if _is_taken(error):
        return EnvironmentFault(
            f"Another retraining of {model} is at work.",
            "wait for it, cancel it, or start this one with when_busy: wait.",
        )
    return EnvironmentFault(
        f"The Prefect server gives no place for a retraining of {model}: {error.__cause__}.", "see its log."
    )
