"""How long stages took on workers the last time, for an estimate of what their machines will cost."""

import heapq
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterName,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType

from flows.pipeline import Graph

_FLOW = "reproduce"
_LOOKED_AT = 20
"""Of a stage's runs, the newest: other models' are among them, where a server serves several."""


def find_minutes(client: SyncPrefectClient, stages: Iterable[str], model: str) -> dict[str, float]:
    """Return how many minutes each stage took on its worker the last time; a stage that never ran there is left out.

    Args:
        client: of the server, which forgets runs when it is told to (Prefect's retention).
        stages: their names.
        model: the registered model that they belong to.
    """
    found = {}
    for stage in stages:
        wanted = FlowRunFilter(
            name=FlowRunFilterName(any_=[stage]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED])),
        )
        newest: Any = "END_TIME_DESC"
        flow = FlowFilter(name=FlowFilterName(any_=[_FLOW]))
        runs = client.read_flow_runs(flow_filter=flow, flow_run_filter=wanted, sort=newest, limit=_LOOKED_AT)
        own = [run for run in runs if run.parameters.get("model") == model]
        if own:
            found[stage] = own[0].total_run_time.total_seconds() / 60
    return found


def compute_minutes(stages: Graph, minutes: Mapping[str, float], machines: int) -> float:
    """Return how long machines are needed if each stage starts as soon as it can, on the first that is free.

    Args:
        stages: each with the stages it needs.
        minutes: of those that run on machines; what runs here is taken to need no time.
        machines: how many.
    """
    free = [0.0] * machines
    ends = dict.fromkeys(stages, 0.0)
    for stage in TopologicalSorter(stages).static_order():
        ends[stage] = max((ends[need] for need in stages[stage]), default=0.0)
        if stage in minutes:
            ends[stage] = max(ends[stage], heapq.heappop(free)) + minutes[stage]
            heapq.heappush(free, ends[stage])
    return max(ends.values(), default=0.0)
