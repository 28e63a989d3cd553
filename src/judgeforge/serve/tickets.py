"""What the dispatcher keeps account of: the judge, the requests, and who owes the answers."""

import asyncio
from dataclasses import dataclass, field

from judgeforge.grading.records import DirectItem, PairwiseItem
from judgeforge.serve.child import Child
from judgeforge.serve.messages import Answer, Job


@dataclass(frozen=True)
class Judge:
    """What is served.

    Args:
        version: as it is told to clients.
        job: what the worker is told.
    """

    version: str
    job: Job


@dataclass(eq=False)
class Ticket:
    """A request under way.

    Args:
        number: of it, for the worker.
        item: what is asked.
        answer: the worker's, and the version of its judge.
        tries: deaths of workers that it has lived through.
        sent: when it was sent to a worker, by the monotonic clock.
    """

    number: int
    item: DirectItem | PairwiseItem
    answer: "asyncio.Future[tuple[Answer, str]]"
    tries: int = 0
    sent: float = 0.0


@dataclass(eq=False)
class Post:
    """A worker, the version of its judge, and what it owes, by number."""

    child: Child
    version: str
    owed: dict[int, Ticket] = field(default_factory=dict)
