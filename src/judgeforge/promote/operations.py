"""What is done to versions without the gate: roll back, retire, take back into service."""

from judgeforge.errors import InputError
from judgeforge.progress import say
from judgeforge.promote.ledger import Action, Entry, check_reason
from judgeforge.promote.registry import Registry
from judgeforge.tracking import name_user


def roll_back(registry: Registry, why: str, to: str | None = None, expected: str | None = None) -> None:
    """Make an earlier champion the champion again.

    The same person's rollback for the same reason, asked for again, is completed, and no second one is done.

    Args:
        registry: of the judge.
        why: the reason, for the record.
        to: a version that was champion; None: the one before.
        expected: the version that must be champion; otherwise nothing is done. For scripts.

    Raises:
        InputError: there is nobody to go back to, or another version than expected is champion.
        OvertakenError: the champion changed meanwhile.
    """
    check_reason(why, needed=True)
    entries, state, completed = registry.settle()
    last = entries[-1] if entries else None
    if last is not None and _is_same(last, why, to, expected) and state.champion == last.version:
        say(f"{'Completed' if completed else 'Done already'}: {last.describe()}. For another one, give another reason.")
        return
    if expected is not None and state.champion != expected:
        raise InputError(
            f"Version {state.champion or 'none'} of {registry.name!r} is champion, not {expected}.",
            "nothing was done; look at 'judgeforge history'.",
        )
    earlier = state.champions[:-1]
    target = to or state.previous
    if target is None or target not in earlier:
        known = f"these were, and can be: {', '.join(dict.fromkeys(reversed(earlier)))}" if earlier else "nobody was"
        raise InputError(
            f"Version {to} of {registry.name!r} was not champion before {state.champion}."
            if to
            else f"{registry.name!r} has no champion to go back to.",
            f"{known}; 'judgeforge promote' makes others champion.",
        )
    entry = Entry(action="rollback", versions=(target,), before=state.champion, who=name_user(), why=why)
    registry.commit(entry, entries)
    say(f"{registry.name}: {entry.describe()}.")


def _is_same(last: Entry, why: str, to: str | None, expected: str | None) -> bool:
    """Whether the last thing done was just this: its answer was lost, or the aliases did not follow any more."""
    asked = last.action == "rollback" and (last.who, last.why) == (name_user(), why)
    return asked and to in (None, last.version) and expected in (None, last.before)


def retire(registry: Registry, number: str, why: str, *, undo: bool = False) -> None:
    """Bar a version from becoming champion, by promotion or rollback; ``gc`` may then take its weights.

    Args:
        registry: of the judge.
        number: the version.
        why: the reason, for the record.
        undo: take it back into service.

    Raises:
        InputError: there is no such version, it is champion, or its weights are gone.
        OvertakenError: something else was done meanwhile.
    """
    check_reason(why, needed=True)
    entries, state, _ = registry.settle()
    version = registry.find_version(number)
    retired = state.find_retirement(number) is not None
    if retired is not undo:
        say(f"{registry.name} version {number} is {'retired' if retired else 'in service'} already.")
        return
    if state.champion == number:
        raise InputError(
            f"{registry.name!r} version {number} is champion.", "promote another one, or 'judgeforge rollback', first."
        )
    if undo and number in state.collected:
        raise InputError(f"The weights of version {number} are gone.", "register them again: 'judgeforge promote'.")
    action: Action = "reinstate" if undo else "retire"
    entry = Entry(action=action, versions=(version.number,), before=state.champion, who=name_user(), why=why)
    registry.commit(entry, entries)
    say(f"{registry.name}: {entry.describe()}.")
