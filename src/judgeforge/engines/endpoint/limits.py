"""Holding back: so many requests and tokens in any 60 seconds, a pause that the endpoint asks for, and a budget."""

import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.requests import Request
from judgeforge.engines.endpoint.spending import Cost
from judgeforge.errors import InputError

_WINDOW_S = 60.0
_HELD_WAIT_S = 0.1


@dataclass
class Admission:
    """A request that was let through.

    Args:
        time: when, on the limiter's clock, in seconds.
        tokens: what it may use; to be set to what it did use.
    """

    time: float
    tokens: int


class RateLimiter:
    """Lets requests through in the order they come, none before all limits of the last 60 seconds have room for it.

    Args:
        requests_per_minute: None: no limit.
        tokens_per_minute: None: no limit; a request that needs more than all of it goes alone.
        clock: seconds, never going back.
        sleep: waits for so many seconds, or less.
    """

    def __init__(
        self,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._requests, self._tokens = requests_per_minute, tokens_per_minute
        self._clock, self._sleep = clock, sleep
        self._recent: deque[Admission] = deque()
        self._paused_until = -float("inf")
        self._turn = anyio.Lock()

    def pause(self, seconds: float) -> None:
        """Let nothing through for so long: the endpoint asked one request to wait, and it will ask the next."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)

    async def admit(self, tokens: int) -> Admission:
        """Wait until a request that may use ``tokens`` fits."""
        async with self._turn:
            while (wait := self._compute_wait(tokens)) > 0:
                await self._sleep(wait)
            admission = Admission(self._clock(), tokens)
            if self._requests is not None or self._tokens is not None:
                self._recent.append(admission)
            return admission

    def _compute_wait(self, tokens: int) -> float:
        now = self._clock()
        while self._recent and self._recent[0].time + _WINDOW_S <= now:
            self._recent.popleft()
        if self._paused_until > now:
            return self._paused_until - now
        full = self._requests is not None and len(self._recent) >= self._requests
        used = sum(each.tokens for each in self._recent)
        if self._tokens is not None and self._recent and used + tokens > self._tokens:
            full = True
        return self._recent[0].time + _WINDOW_S - now if full else 0.0


@dataclass(frozen=True)
class Hold:
    """What is held for a request on its way.

    Args:
        reservation: in the ledger; None: there is no limit, and nothing is held.
        most: that the request may cost.
    """

    reservation: int | None
    most: Cost


class Budget:
    """Tokens that may be spent, by all processes that share the ledger; requests on their way count with their most.

    A prompt's tokens are estimated by its characters, and some text has more. So prompts are counted by the largest
    factor between count and estimate that was seen, and the first request goes alone to find one.

    Args:
        limit: None: no limit.
        longest_s: no request takes longer.
        ledger: of what was spent and what is held.
        advice: how to go on once it is used up.
        factor: that was seen before; None: none.
    """

    def __init__(
        self, limit: int | None, longest_s: float, ledger: AnswerCache, advice: str, factor: float | None = None
    ) -> None:
        self._limit, self._longest_s, self._ledger, self._advice = limit, longest_s, ledger, advice
        self._factor, self._on_way = factor, 0
        self._turn = anyio.Lock()

    def learn(self, estimated: int, counted: int) -> None:
        """Take note of how many tokens the endpoint counted in a prompt."""
        self._factor = max(self._factor or 1.0, counted / max(estimated, 1))

    @asynccontextmanager
    async def hold(self, request: Request, estimate: Cost) -> AsyncIterator[Hold]:
        """Hold what a request may cost, as soon as it fits; to be released in the ledger.

        Args:
            request: that is to be sent.
            estimate: of its prompt, and the most that its answer may take.

        Raises:
            InputError: it would exceed the budget even if all that is on its way used nothing more.
        """
        async with self._turn:
            hold = await self._reserve(request, estimate)
        self._on_way += 1
        try:
            yield hold
        finally:
            self._on_way -= 1

    async def _reserve(self, request: Request, estimate: Cost) -> Hold:
        if self._limit is None:
            return Hold(None, estimate)
        while True:
            if self._factor is not None or not self._on_way:
                most = Cost(math.ceil(estimate.prompt * (self._factor or 1.0)), estimate.output)
                room = self._ledger.reserve(request, most, limit=self._limit, longest_s=self._longest_s)
                if room.reservation is not None:
                    return Hold(room.reservation, most)
                if not room.held:
                    problem = (
                        f"The budget of {self._limit:,} tokens is used up: {room.spent:,} are spent, "
                        f"and the next answer may take {most.total:,}."
                    )
                    raise InputError(problem, self._advice)
            await anyio.sleep(_HELD_WAIT_S)
