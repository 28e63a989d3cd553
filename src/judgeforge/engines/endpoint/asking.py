"""What all that ask endpoints share: clients with their limits, answers from the cache or bought, each once."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
from pydantic import SecretStr

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.client import EndpointClient
from judgeforge.engines.endpoint.limits import Budget, RateLimiter
from judgeforge.engines.endpoint.replies import Reply
from judgeforge.engines.endpoint.requests import Request
from judgeforge.engines.endpoint.settings import EndpointSettings

Send = Callable[[Request], Awaitable[Reply]]

_CLAIMED_WAIT_S = 0.2
_SLACK_S = 10.0


@dataclass
class _Asking:
    """A question that is being asked.

    Args:
        over: set once it is answered, or failed.
        reply: the answer.
    """

    over: anyio.Event = field(default_factory=anyio.Event)
    reply: Reply | None = None


class Session:
    """What the questions of one call have in common.

    Args:
        cache: answers that were paid for.
        send: buys an answer, and writes it into the cache.
    """

    def __init__(self, cache: AnswerCache, send: Send) -> None:
        self._cache, self._send = cache, send
        self._asking: dict[str, _Asking] = {}

    async def get(self, request: Request) -> Reply:
        """Answer a request from the cache, by the same request that is on its way, or by sending it."""
        while (known := self._cache.find(request)) is None:
            if (asking := self._asking.get(request.key)) is None:
                return await self._ask(request)
            await asking.over.wait()
            if asking.reply is not None:
                return asking.reply
        return known

    async def _ask(self, request: Request) -> Reply:
        asking = self._asking[request.key] = _Asking()
        try:
            while asking.reply is None:
                with self._cache.claim(request) as ours:
                    # Another process may have answered it between our look and our claim.
                    asking.reply = self._cache.find(request)
                    if ours and asking.reply is None:
                        asking.reply = await self._send(request)
                if asking.reply is None:
                    await anyio.sleep(_CLAIMED_WAIT_S)
        finally:
            del self._asking[request.key]
            asking.over.set()
        return asking.reply


def build_budget(
    limit: int | None, timeout_s: float, cache: AnswerCache, place: Path, setting: str, factor: float | None = None
) -> Budget:
    """Build the budget of one call.

    Args:
        limit: None: no limit.
        timeout_s: for one whole answer.
        cache: where costs are written.
        place: of the cache's file.
        setting: where the limit stands, for a person.
        factor: see ``Budget``.
    """
    advice = f"raise {setting} to go on; the answers so far are kept in {place}."
    return Budget(limit, timeout_s + _SLACK_S, cache, advice, factor)


@asynccontextmanager
async def open_client(
    settings: EndpointSettings, key: SecretStr | None, budget: Budget, cache: AnswerCache
) -> AsyncIterator[EndpointClient]:
    """Open connections to an endpoint.

    Args:
        settings: of the endpoint.
        key: sent with each request; None: none is.
        budget: of all that is sent.
        cache: where answers and costs are written.
    """
    headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
    limits = httpx.Limits(max_connections=settings.concurrency)
    limiter = RateLimiter(
        settings.requests_per_minute, settings.tokens_per_minute, clock=time.monotonic, sleep=anyio.sleep
    )
    async with httpx.AsyncClient(timeout=settings.timeout_s, headers=headers, limits=limits) as http:
        yield EndpointClient(http, settings, limiter=limiter, budget=budget, cache=cache, key=key, sleep=anyio.sleep)


def unwrap(group: "ExceptionGroup[Exception]") -> Exception:
    """Return the first of exceptions that were raised together."""
    first = group.exceptions[0]
    return unwrap(first) if isinstance(first, ExceptionGroup) else first
