"""Garbage collection: whose weights are kept, and for how long. Evidence, decisions and the ledger are always kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from judgeforge.params import PromoteParams
from judgeforge.progress import say
from judgeforge.promote.aliases import FIRST_TAG
from judgeforge.promote.deleting import delete_weights
from judgeforge.promote.ledger import MOST_VERSIONS, Entry
from judgeforge.promote.registry import Registry
from judgeforge.promote.succession import Succession
from judgeforge.tracking import name_user, set_value, tenacious_store

GIVEN_UP_TAG = "weights_given_up"
"""On a version of which nothing is left to delete: when that was done."""


@dataclass(frozen=True)
class Plan:
    """Whose weights go, and whose stay.

    Args:
        going: version and why.
        staying: version and why.
        unfinished: versions that were given up by an earlier call, which did not come to delete them.
    """

    going: tuple[tuple[str, str], ...]
    staying: tuple[tuple[str, str], ...]
    unfinished: tuple[str, ...]


def plan_collection(registry: Registry, entries: Sequence[Entry], state: Succession, params: PromoteParams) -> Plan:
    """Say whose weights go: nothing is changed.

    Those stay that carry an alias, the first champion, against whom margins are held, the last ``keep_champions``
    champions, and whatever was registered, or was champion, in the last ``keep_days`` days. A retired version goes at
    once.

    Args:
        registry: of the judge.
        entries: its ledger.
        state: what that amounts to.
        params: how much is kept.
    """
    versions = registry.list_versions()
    with tenacious_store():
        aliases = registry.client.get_registered_model(registry.name).aliases if versions else {}
    reasons = {str(each.version): _find_reason(each, aliases, entries, state, params) for each in versions}
    left = [str(each.version) for each in versions if GIVEN_UP_TAG not in each.tags]
    open_ones = [number for number in reasons if number not in state.collected]
    return Plan(
        going=tuple((number, _explain(number, state, params)) for number in open_ones if reasons[number] is None),
        staying=tuple((number, why) for number in open_ones if (why := reasons[number]) is not None),
        unfinished=tuple(number for number in left if number in state.collected),
    )


def collect(registry: Registry, params: PromoteParams) -> Iterator[tuple[str, str]]:
    """Give up the weights of versions that nobody needs, and give each with what became of it.

    The ledger hears of it first: from then on, nobody can make them champion, so that no alias ends on an empty
    version.

    Args:
        registry: of the judge.
        params: how much is kept.

    Raises:
        OvertakenError: something else was done meanwhile.
        EnvironmentFault: the store is not there, or does not let delete; the next call goes on.
    """
    entries, state, _ = registry.settle()
    plan = plan_collection(registry, entries, state, params)
    going = [number for number, _ in plan.going]
    for start in range(0, len(going), MOST_VERSIONS):
        versions = tuple(going[start : start + MOST_VERSIONS])
        entry = Entry(action="collect", versions=versions, before=state.champion, who=name_user(), why="gc")
        registry.commit(entry, entries)
        entries = [*entries, entry]
    for number in (*plan.unfinished, *going):
        if number in _list_carriers(registry):
            continue  # a registration that had begun before made it challenger; nobody can promote it
        done = delete_weights(registry.client, registry.find_version(number))
        with tenacious_store():
            when = datetime.now(UTC).isoformat(timespec="seconds")
            set_value(registry.client.set_model_version_tag, registry.name, number, GIVEN_UP_TAG, when)
        yield number, done.note or f"{done.files:,} files, {done.bytes / 1e6:,.1f} MB"


def _list_carriers(registry: Registry) -> set[str]:
    with tenacious_store():
        return {str(number) for number in registry.client.get_registered_model(registry.name).aliases.values()}


def show_plan(plan: Plan) -> None:
    """Print a plan."""
    for number, why in plan.staying:
        say(f"version {number} stays: {why}.")
    for number, why in plan.going:
        say(f"version {number} goes: {why}.")
    for number in plan.unfinished:
        say(f"version {number} goes: an earlier call did not come to its end.")


def _find_reason(
    version: Any, aliases: Mapping[str, Any], entries: Sequence[Entry], state: Succession, params: PromoteParams
) -> str | None:
    """Say why a version stays; None: it does not."""
    number = str(version.version)
    carried = sorted(alias for alias, each in aliases.items() if str(each) == number)
    if carried:
        return f"it is {' and '.join(carried)}"
    if version.tags.get(FIRST_TAG) == "true":
        return "it is the first champion, against whom margins are held"
    if state.find_retirement(number) is not None:
        return None
    if number in state.champions[-params.keep_champions :]:
        return f"it is one of the last {params.keep_champions} champions"
    if _find_last_use(version, entries) > datetime.now(UTC) - timedelta(days=params.keep_days):
        return f"it was in use within the last {params.keep_days} days"
    return None


def _find_last_use(version: Any, entries: Sequence[Entry]) -> datetime:
    """Find when a version was registered, or was last named by the ledger: when it came, or had to go."""
    number = str(version.version)
    named = [datetime.fromisoformat(each.when) for each in entries if number in (each.before, *each.versions)]
    return max([datetime.fromtimestamp(version.creation_timestamp / 1000, UTC), *named])


def _explain(number: str, state: Succession, params: PromoteParams) -> str:
    retirement = state.find_retirement(number)
    return f"it was retired ({retirement.why})" if retirement else f"not in use for {params.keep_days} days"
