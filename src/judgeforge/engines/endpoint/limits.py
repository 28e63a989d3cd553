"""Holding back: so many requests and tokens in any 60 seconds, a pause that the endpoint asks for, and a budget."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from judgeforge.errors import InputError

_WINDOW_S = 60.0


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


class Budget:
    """Tokens that may be spent. What is on its way counts with the most that it may use.

    Args:
        limit: None: no limit.
        count_spent: tokens spent so far.
        advice: how to go on once it is used up.
    """

    def __init__(self, limit: int | None, count_spent: Callable[[], int], advice: str) -> None:
        self._limit, self._count_spent, self._advice = limit, count_spent, advice
        self._reserved = 0
        self._change = anyio.Condition()

    @asynccontextmanager
    async def reserve(self, tokens: int) -> AsyncIterator[None]:
        """Hold ``tokens`` while a request is on its way.

        Raises:
            InputError: they would exceed the budget even if all that is on its way used nothing more.
        """
        if self._limit is None:
            yield
            return
        async with self._change:
            while (spent := self._count_spent()) + self._reserved + tokens > self._limit:
                if not self._reserved:
                    problem = (
                        f"The budget of {self._limit:,} tokens is used up: {spent:,} are spent, "
                        f"and the next answer may take {tokens:,}."
                    )
                    raise InputError(problem, self._advice)
                await self._change.wait()
            self._reserved += tokens
        try:
            yield
        finally:
            self._reserved -= tokens
            with anyio.CancelScope(shield=True):
                async with self._change:
                    self._change.notify_all()
