"""What was done to a registered judge, and what there is of it now. Nothing is written, so that reading is enough."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from judgeforge.promote.ledger import Entry
from judgeforge.promote.registry import Registry
from judgeforge.promote.succession import trace_succession
from judgeforge.tracking import tenacious_store


class VersionState(BaseModel):
    """A version as it stands.

    Args:
        number: the version's.
        aliases: that it carries.
        registered: ISO 8601, UTC.
        judge: which judge of the pipeline it is.
        state: ``in service``, ``retired`` or ``weights given up``.
        run_id: the run that holds its evidence and its decisions.
        commit: git commit that it was made by, as far as known.
    """

    model_config = ConfigDict(frozen=True)

    number: str
    aliases: tuple[str, ...]
    registered: str
    judge: str
    state: str
    run_id: str
    commit: str


class History(BaseModel):
    """Everything that ``judgeforge history`` shows.

    Args:
        model: the registered model.
        champion: by the ledger, which is what counts; where it has no entry, by the alias.
        previous: whom a rollback would bring back.
        unfinished: the aliases do not say what the ledger says: a call was interrupted, or somebody moved them by hand.
        entries: the ledger, the oldest entry first.
        versions: all of them, the oldest first.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    champion: str | None
    previous: str | None
    unfinished: bool
    entries: tuple[Entry, ...]
    versions: tuple[VersionState, ...]


def load_history(registry: Registry) -> History:
    """Read the ledger, the versions and the aliases.

    Raises:
        EnvironmentFault: the store is not there.
        InputError: the ledger is broken.
    """
    entries, versions = registry.ledger.read(), registry.list_versions()
    aliases = _list_aliases(registry) if versions else {}
    carried = {alias: number for number, names in aliases.items() for alias in names}
    state = trace_succession(entries, carried.get("champion"), [str(each.version) for each in versions])
    wanted = {"champion": state.champion, "previous": state.previous}
    return History(
        model=registry.name,
        champion=state.champion,
        previous=state.previous,
        unfinished=bool(entries)
        and any(number is not None and carried.get(alias) != number for alias, number in wanted.items()),
        entries=tuple(entries),
        versions=tuple(_describe(each, aliases, entries) for each in versions),
    )


def _list_aliases(registry: Registry) -> dict[str, list[str]]:
    with tenacious_store():
        found = registry.client.get_registered_model(registry.name).aliases
    carried: dict[str, list[str]] = {}
    for alias, number in sorted(found.items()):
        carried.setdefault(str(number), []).append(alias)
    return carried


def _describe(version: Any, aliases: dict[str, list[str]], entries: Sequence[Entry]) -> VersionState:
    number, state = str(version.version), trace_succession(entries)
    retired = "retired" if state.find_retirement(number) else "in service"
    return VersionState(
        number=number,
        aliases=tuple(aliases.get(number, ())),
        registered=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
        judge=version.tags.get("judge", ""),
        state="weights given up" if number in state.collected else retired,
        run_id=version.run_id or "",
        commit=version.tags.get("git_commit", ""),
    )
