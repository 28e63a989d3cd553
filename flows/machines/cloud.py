"""What a provider must answer so that nothing is left running: found by tags, apart from what Terraform remembers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

OWNER_TAG, RUN_TAG, EXPIRES_TAG = "judgeforge:owner", "judgeforge:run", "judgeforge:expires"

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{3,63}")

Kind = Literal["group", "machine", "template", "volume", "firewall", "role"]
ENDING_ORDER: tuple[Kind, ...] = ("group", "machine", "template", "volume", "firewall", "role")
"""A group would replace a machine that is ended before it; the rest is in use as long as a machine is there."""

COSTS: tuple[Kind, ...] = ("group", "machine", "volume")
"""What is paid for as long as it is there (a group: it raises machines)."""


@dataclass(frozen=True)
class Machine:
    """A machine, also one that has ended and that the provider still remembers.

    Args:
        id: the provider's.
        type: the provider's name of it.
        zone: where it is.
        state: ``starting``, ``running``, ``ending`` or ``gone``.
        launched: when it began to cost.
        ended: when it ceased to.
    """

    id: str
    type: str
    zone: str
    state: Literal["starting", "running", "ending", "gone"]
    launched: datetime
    ended: datetime | None = None


@dataclass(frozen=True)
class Activity:
    """What a group tried to do.

    Args:
        begun: when, by the provider's clock.
        shortage: why it got no machine, in the provider's words; "": that was not what it failed for, or it did not.
    """

    begun: datetime
    shortage: str


@dataclass(frozen=True)
class Thing:
    """Anything that bears the tags and is there.

    Args:
        kind: what it is.
        id: the provider's.
        run: for which it was made.
        expires: from when on it may be ended if nobody says that its run is alive; None: its tag says nothing.
    """

    kind: Kind
    id: str
    run: str = field(default="")
    expires: datetime | None = None


def is_run_name(name: str) -> bool:
    """Whether a name can be a run's: it becomes a tag, a key in the bucket, and a folder."""
    return _RUN.fullmatch(name) is not None


class Cloud(Protocol):
    """A provider. Every method may raise what ``judgeforge.errors`` has, and nothing else that is foreseeable."""

    def list_machines(self, run: str) -> list[Machine]:
        """Return the machines of a run."""

    def list_things(self, run: str | None = None) -> list[Thing]:
        """Return what bears the owner's tags and is not gone; of one run, or of all."""

    def end_things(self, things: Sequence[Thing]) -> None:
        """Begin to end them. What is gone already is no error."""

    def list_activities(self, run: str) -> list[Activity]:
        """Return the last of what the groups of a run tried."""

    def list_states(self) -> dict[str, datetime]:
        """Return the runs for which Terraform remembers something, each with the time of the last change."""

    def forget_state(self, run: str) -> None:
        """Delete what Terraform remembers of a run."""

    def describe_remedy(self, things: Sequence[Thing]) -> str:
        """Return what a person can do to end them."""
