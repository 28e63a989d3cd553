"""Aliases and tags follow the ledger: set after an entry stands, and again by whoever comes after an interruption."""

from collections.abc import Collection
from typing import Any

from judgeforge.progress import say
from judgeforge.promote.ledger import Entry, Ledger
from judgeforge.promote.succession import trace_succession
from judgeforge.promote.versions import list_numbers
from judgeforge.tracking import is_forbidden, set_value, tenacious_store

CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous"

FIRST_TAG = "first_champion"
"""On the version that was promoted when there was no champion."""


def follow_ledger(client: Any, name: str, ledger: Ledger) -> tuple[list[Entry], bool]:
    """Set the tags and aliases that the ledger's last entry asks for. Doing it twice changes nothing.

    Before an entry is written, all before it has been followed: so the last one is enough. Who was slow, and set what
    another one's later entry had set already, sees that entry afterwards, and follows it.

    Args:
        client: an MLflow client.
        name: the registered model's.
        ledger: its ledger.

    Returns:
        The ledger's entries, and whether anything had to be set.
    """
    entries, changed = ledger.read(), False
    while entries:
        with tenacious_store():
            changed |= _follow(client, name, entries)
        after = ledger.read()
        if len(after) == len(entries):
            break
        entries = after
    return entries, changed


def _follow(client: Any, name: str, entries: list[Entry]) -> bool:
    known = list_numbers(client, name)
    entry, state = entries[-1], trace_succession(entries, known=known)
    changed = _set_tags(client, name, entry, known)
    aliases = {alias: str(number) for alias, number in client.get_registered_model(name).aliases.items()}
    # The champion first: what comes after may need rights that not everybody has who may promote.
    for alias, wanted in ((CHAMPION, state.champion), (PREVIOUS, state.previous)):
        found = aliases.get(alias)
        if wanted is None or found == wanted:
            continue
        if alias == CHAMPION and (entry.action not in ("promote", "rollback") or entry.version not in known):
            say(f"The alias {alias} is set back from {_name(found)} to {_name(wanted)}, as the ledger has it.")
        set_value(client.set_registered_model_alias, name, alias, wanted)
        changed = True
    gone = [alias for alias, wanted in ((CHAMPION, state.champion), (PREVIOUS, state.previous)) if wanted is None]
    if entry.action == "retire" and aliases.get(CHALLENGER) == entry.version:
        gone.append(CHALLENGER)
    for alias in gone:
        if alias in aliases:
            changed |= _take_away(client, name, alias, aliases[alias])
    return changed


def _take_away(client: Any, name: str, alias: str, number: str) -> bool:
    """Take an alias away from whoever has it; who may not, is told, and goes on."""
    try:
        client.delete_registered_model_alias(name, alias)
    except Exception as error:
        if not is_forbidden(error):
            raise
        say(f"The alias {alias} stays on version {number}: taking it away needs the permission MANAGE.")
        return False
    return True


def _name(number: str | None) -> str:
    return "nobody" if number is None else f"version {number}"


def _set_tags(client: Any, name: str, entry: Entry, known: Collection[str]) -> bool:
    """Set them before any alias moves, so that no champion is without."""
    number, wanted = _list_tags(entry)
    if number is None or number not in known:
        return False
    found = client.get_model_version(name, number).tags
    missing = {tag: value for tag, value in wanted.items() if found.get(tag) != value}
    changed = {tag: value for tag, value in missing.items() if value or tag in found}
    for tag, value in changed.items():
        set_value(client.set_model_version_tag, name, number, tag, value)
    return bool(changed)


def _list_tags(entry: Entry) -> tuple[str | None, dict[str, str]]:
    """List a version's tags; one that is no longer true becomes empty, for deleting one needs more rights."""
    facts = {"who": entry.who, "when": entry.when, "why": entry.why}
    if entry.action == "promote":
        facts |= {"forced": str(entry.forced), "approved_by": entry.approved_by or ""}
        tags = {f"promoted_{key}": value for key, value in facts.items()} | {"decision": entry.summary}
        return entry.version, tags | ({FIRST_TAG: "true"} if entry.before is None else {})
    if entry.action == "rollback":
        return entry.before, {f"rolled_back_{key}": value for key, value in facts.items()}
    if entry.action == "retire":
        return entry.version, {f"retired_{key}": value for key, value in facts.items()}
    if entry.action == "reinstate":
        return entry.version, {f"retired_{key}": "" for key in facts}
    return None, {}
