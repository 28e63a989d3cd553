"""Whether a flow run that says Running is alive: by its heartbeats, judged only while heartbeats arrive at all.

A server that is away, restarted or behind would make every run look dead. So a run counts as silent only if the judging
run's own heartbeats reached the server over the whole of the time in question.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.types._datetime import now

from judgeforge.params import HEARTBEAT_S

_HEARTBEAT = "prefect.flow-run.heartbeat"
_PAGE = 50
"""The most that a server gives at a time."""


def is_silent(client: SyncPrefectClient, run: UUID, judge: UUID, since: datetime, lost_after_s: int) -> bool | None:
    """Whether ``run`` gave no sign of life for ``lost_after_s`` seconds; None: nobody can tell yet.

    Nobody can where the judge's own signs did not come through all that time, as when the server was away.

    Args:
        client: of the server.
        run: that says Running.
        judge: the flow run that asks.
        since: when ``run`` began to run.
        lost_after_s: how long it may be silent.
    """
    present = now("UTC")
    start = present - timedelta(seconds=lost_after_s)
    if not seems_silent(client, run, since, lost_after_s):
        return False
    return True if covers(_list_heartbeats(client, judge, start), start, present) else None


def seems_silent(client: SyncPrefectClient, run: UUID, since: datetime, lost_after_s: int) -> bool:
    """Whether no sign of life of ``run`` came in the last ``lost_after_s`` seconds: it is lost, or the server was away.

    Args:
        client: of the server.
        run: that says Running.
        since: when ``run`` began to run.
        lost_after_s: how long it may be silent.
    """
    start = now("UTC") - timedelta(seconds=lost_after_s)
    if since > start or _list_heartbeats(client, run, start):
        return False
    # One that never sent a sign (a flow started by hand may not) says nothing by its silence.
    return bool(client.read_events(filter=_choose(run, since), limit=1).events)


def covers(heartbeats: Sequence[datetime], start: datetime, end: datetime) -> bool:
    """Whether heartbeats came through from ``start`` to ``end``: one may be missing, two in a row not."""
    longest = timedelta(seconds=2.5 * HEARTBEAT_S)
    times = [start, *sorted(heartbeats), end]
    return all(later - earlier < longest for earlier, later in pairwise(times))


def _list_heartbeats(client: SyncPrefectClient, run: UUID, start: datetime) -> list[datetime]:
    page = client.read_events(filter=_choose(run, start), limit=_PAGE)
    found = list(page.events)
    while page.next_page:
        page = client.read_events_page(str(page.next_page))
        found += page.events
    return [event.occurred for event in found]


def _choose(run: UUID, start: datetime) -> EventFilter:
    return EventFilter(
        occurred=EventOccurredFilter(since=start),  # type: ignore[arg-type]
        event=EventNameFilter(name=[_HEARTBEAT]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run}"]),
    )
