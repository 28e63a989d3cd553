"""Who is champion, who was before, and who must not be again: read off the ledger."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from judgeforge.promote.ledger import Entry


@dataclass(frozen=True)
class Succession:
    """The state after the ledger's last entry.

    Args:
        champions: the champion last, before it whom a rollback would bring back.
        retired: versions that must not become champion, and why.
        collected: versions whose weights are given up.
    """

    champions: tuple[str, ...] = ()
    retired: tuple[tuple[str, Entry], ...] = ()
    collected: frozenset[str] = frozenset()

    @property
    def champion(self) -> str | None:
        """The champion's version."""
        return self.champions[-1] if self.champions else None

    @property
    def previous(self) -> str | None:
        """The version that a rollback would bring back."""
        return self.champions[-2] if len(self.champions) > 1 else None

    def find_retirement(self, version: str) -> Entry | None:
        """Return the entry by which a version was retired, if it was."""
        return dict(self.retired).get(version)


def trace_succession(
    entries: Sequence[Entry], alias: str | None = None, known: Collection[str] | None = None
) -> Succession:
    """Follow the entries.

    A promotion adds a champion, a rollback takes champions away down to the one that it names. Whoever was retired, or
    has no weights left, is nobody to go back to. A version that somebody deleted in MLflow is no champion at all: the
    one before it is.

    Args:
        entries: the ledger.
        alias: who carries the alias, in case that the ledger begins with the next entry.
        known: the versions that there are; None: all.
    """
    first = entries[0].before if entries else alias
    champions = [first] if first is not None else []
    retired: dict[str, Entry] = {}
    collected: set[str] = set()
    for entry in entries:
        if entry.action == "promote":
            champions.append(entry.version)
        elif entry.action == "rollback":
            while champions and champions[-1] != entry.version:
                champions.pop()
            champions = champions or [entry.version]
        elif entry.action == "retire":
            retired[entry.version] = entry
        elif entry.action == "reinstate":
            retired.pop(entry.version, None)
        else:
            collected.update(entry.versions)
        barred = collected | set(retired)
        champions = _drop_repeats([each for each in champions[:-1] if each not in barred] + champions[-1:])
    if known is not None:
        champions = _drop_repeats([each for each in champions if each in known])
    return Succession(tuple(champions), tuple(retired.items()), frozenset(collected))


def _drop_repeats(champions: list[str]) -> list[str]:
    """Leave one where the same follows itself: a rollback must change something."""
    return [each for place, each in enumerate(champions) if place == 0 or each != champions[place - 1]]
