"""One retraining at a time per model, over all machines that one Prefect server knows."""

import contextlib
import time
from collections.abc import Iterator
from functools import partial
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
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from prefect.runtime import flow_run as current
from prefect.settings import get_current_settings

from flows.remote.health import is_silent, seems_silent
from flows.remote.patience import ask_patiently
from judgeforge.errors import EnvironmentFault

WhenBusy = Literal["wait", "refuse"]
_LEASE_S = 300.0
"""Prefect renews it after three quarters of that, tries three times within seconds, and never again: in an outage of a
few minutes a living holder loses its place. So it bears a tag, too, by which others know that it is at work."""

_PAUSE_S = 15.0
_WAITING, _HOLDING = "judgeforge:waiting", "judgeforge:holding:"
_AT_WORK = [StateType.RUNNING, StateType.CANCELLING]


def name_limit(model: str) -> str:
    """Return the name of the concurrency limit of a registered model."""
    return f"judgeforge-retrain-{model}"


@contextlib.contextmanager
def one_at_a_time(model: str, when_busy: WhenBusy, lost_after_s: int) -> Iterator[None]:
    """Hold the model's only place while the block runs. Without a lasting server nobody else could come.

    Args:
        model: its registered name.
        when_busy: ``wait`` until the place is free, or ``refuse`` at once. Where whoever has it gave no sign of life
            for a while, either waits until it does, or is known to be lost.
        lost_after_s: a retraining without a sign of life for so long is lost.

    Raises:
        EnvironmentFault: somebody retrains this model, and ``when_busy`` is ``refuse``.
    """
    if not get_current_settings().api.url:
        yield
        return
    limit = time.monotonic() + 2 * lost_after_s
    with contextlib.ExitStack() as stack:
        while not _enter(stack, model, lost_after_s):
            may_come = time.monotonic() < limit and ask_patiently(partial(_may_be_lost, model, lost_after_s))
            if when_busy == "refuse" and not may_come:
                raise EnvironmentFault(
                    f"Another retraining of {model} is at work.",
                    "wait for it, cancel it, or start this one with when_busy: wait.",
                )
            with _marked(_WAITING):  # and no more when it tries: it may hold the place from then on
                time.sleep(_PAUSE_S)
        with _marked(_HOLDING + model):
            yield


def _enter(stack: contextlib.ExitStack, model: str, lost_after_s: int) -> bool:
    """Take the place; False where another retraining has it, or lost it in an outage and is at work all the same."""
    name = name_limit(model)
    ask_patiently(lambda client: _open(client, name, model, lost_after_s))
    try:
        stack.enter_context(_place(name))
    except ConcurrencySlotAcquisitionError as error:
        if not _is_taken(error):
            raise EnvironmentFault(
                f"The Prefect server gives no place for a retraining of {model}: {error.__cause__}.", "see its log."
            ) from error
        return False
    others = ask_patiently(partial(_list_living, model, lost_after_s))
    if any(_HOLDING + model in run.tags for run in others):
        stack.close()
        return False
    return True


def _place(name: str) -> contextlib.AbstractContextManager[None]:
    return concurrency(
        name,
        max_retries=0,
        lease_duration=_LEASE_S,
        strict=True,
        raise_on_lease_renewal_failure=False,  # a server that is away for a while ends no retraining
    )


def _open(client: SyncPrefectClient, name: str, model: str, lost_after_s: int) -> None:
    """Make the place, and free it if its holder is gone: killed, it keeps it for minutes; on a new server, for ever."""
    client.upsert_global_concurrency_limit_by_name(name=name, limit=1)
    taken = client.read_global_concurrency_limit_by_name(name).active_slots
    if taken and not _list_living(model, lost_after_s, client):
        client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(active_slots=0))


@contextlib.contextmanager
def _marked(tag: str) -> Iterator[None]:
    """Tag the own run, to which Prefect gives the state Running whatever it does. One that fails is over anyway."""
    run, tags = UUID(str(current.id)), list(current.tags or ())
    ask_patiently(lambda client: client.update_flow_run(run, tags=[*tags, tag]))
    yield
    ask_patiently(lambda client: client.update_flow_run(run, tags=tags))


def _list_rivals(client: SyncPrefectClient, model: str) -> list[FlowRun]:
    """List the other retrainings that may have this model's place: those that neither wait nor hold another one's."""
    runs = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["retrain"])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_AT_WORK))),
    )
    elsewhere = {tag for run in runs for tag in run.tags if tag.startswith(_HOLDING)} - {_HOLDING + model}
    return [run for run in runs if str(run.id) != current.id and not (elsewhere | {_WAITING}) & set(run.tags)]


def _list_living(model: str, lost_after_s: int, client: SyncPrefectClient) -> list[FlowRun]:
    own = UUID(str(current.id))
    return [
        run
        for run in _list_rivals(client, model)
        if run.start_time is None or not is_silent(client, run.id, own, run.start_time, lost_after_s)
    ]


def _may_be_lost(model: str, lost_after_s: int, client: SyncPrefectClient) -> bool:
    """Whether all that may have the place are without a sign of life so far, which only time can judge."""
    return all(
        run.start_time is not None and seems_silent(client, run.id, run.start_time, lost_after_s)
        for run in _list_rivals(client, model)
    )


def _is_taken(error: ConcurrencySlotAcquisitionError) -> bool:
    cause = error.__cause__
    return isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code == httpx.codes.LOCKED
