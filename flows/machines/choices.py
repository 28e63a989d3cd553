"""In which order types and zones are tried when the cloud has no machine to give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Choice:
    """What one try asks for.

    Args:
        types: of machines, the preferred one first.
        subnets: one a zone.
        spot: whether the machines may be taken away again.
    """

    types: tuple[str, ...]
    subnets: tuple[str, ...]
    spot: bool

    def __str__(self) -> str:
        kind = "spot" if self.spot else "on demand"
        return f"{' or '.join(self.types)}, {kind}, in {' or '.join(self.subnets)}"


def list_choices(
    mode: Literal["group", "instance"], types: Sequence[str], subnets: Sequence[str], spot: bool
) -> list[Choice]:
    """Return the tries in their order: all that is cheap before anything that is dear.

    A group looks through all types and zones by itself, so it is asked twice at most. A single machine is of one type
    in one zone: for each type, in the order of preference, all zones; and on demand, since nothing replaces it.

    Args:
        mode: ``group`` or ``instance``.
        types: of machines, the preferred one first.
        subnets: one a zone, the preferred one first.
        spot: whether to try spot machines first.
    """
    if mode == "group":
        return [Choice(tuple(types), tuple(subnets), kind) for kind in ([True, False] if spot else [False])]
    return [Choice((type,), (subnet,), False) for type in types for subnet in subnets]
