"""The engine on an endpoint: many questions on their way at once, each answered from the cache where it can be."""

import queue
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
from anyio.from_thread import start_blocking_portal

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.client import EndpointClient
from judgeforge.engines.endpoint.estimating import Estimate, compute_estimate
from judgeforge.engines.endpoint.limits import Budget, RateLimiter
from judgeforge.engines.endpoint.replies import Reply
from judgeforge.engines.endpoint.requests import UNANSWERED, Request, build_closing_request, build_request
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.protocol import Completion, Conversation, Generation, check_closing
from judgeforge.errors import InputError
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.templates import JudgeTemplate

_CLAIMED_WAIT_S = 0.2
_HIGHEST_DIGIT = 9
"""Of scores of one digit, each is one token."""
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


class _Session:
    """What the questions of one call have in common.

    Args:
        client: sends requests.
        cache: answers that were paid for.
    """

    def __init__(self, client: EndpointClient, cache: AnswerCache) -> None:
        self._client, self._cache = client, cache
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
                        asking.reply = await self._client.send(request)
                if asking.reply is None:
                    await anyio.sleep(_CLAIMED_WAIT_S)
        finally:
            del self._asking[request.key]
            asking.over.set()
        return asking.reply


class EndpointEngine:
    """A judge behind an OpenAI-compatible chat endpoint.

    Args:
        settings: of the endpoint.
        template: its marker tells where a verdict closes.
        generation: how to decode; ``max_prompt_tokens`` is the endpoint's own matter here.
        cache: file of answers, shared by all runs.

    Raises:
        InputError: the endpoint cannot do what is asked, or the key is missing.
    """

    def __init__(
        self, settings: EndpointSettings, *, template: JudgeTemplate, generation: Generation, cache: Path
    ) -> None:
        settings.check_abilities(generation)
        self._key = settings.read_key()
        self._settings, self._generation, self._cache = settings, generation, cache
        check_closing(generation, template.result_marker)
        self._marker = template.result_marker

    def estimate(self, conversations: Sequence[Conversation]) -> Estimate:
        """Say what these questions would cost at most; prompts are counted by their characters."""
        self._check_scales(conversations)
        with AnswerCache(self._cache) as cache:
            return compute_estimate(map(self._build, conversations), cache, self._settings, self._generation)

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        """Yield (index, completion) as each comes; closing the iterator takes back what is on its way."""
        self._check_scales(conversations)
        done: queue.SimpleQueue[tuple[int, Completion] | None] = queue.SimpleQueue()
        with start_blocking_portal() as portal:
            running = portal.start_task_soon(self._answer_all, conversations, done)
            running.add_done_callback(lambda _: done.put(None))
            try:
                while (answer := done.get()) is not None:
                    yield answer
            finally:
                running.cancel()
            try:
                running.result()
            except CancelledError:
                pass
            except ExceptionGroup as group:
                raise _unwrap(group) from None

    def _check_scales(self, conversations: Sequence[Conversation]) -> None:
        wide = [each.scale for each in conversations if each.format == "direct" and each.scale.highest > _HIGHEST_DIGIT]
        if wide and self._generation.expectation:
            raise InputError(
                f"Scores from {wide[0].describe()} cannot be weighed at an endpoint: which tokens spell "
                f"{wide[0].highest} there is not known.",
                "set evaluate.expectation to false, or use a scale of one digit.",
            )

    def _build(self, conversation: Conversation) -> Request:
        return build_request(conversation, self._settings, self._generation, self._marker)

    async def _answer_all(
        self, conversations: Sequence[Conversation], done: "queue.SimpleQueue[tuple[int, Completion] | None]"
    ) -> None:
        waiting = iter(range(len(conversations)))
        with AnswerCache(self._cache) as cache:
            async with self._open_client(cache) as client, anyio.create_task_group() as group:
                session = _Session(client, cache)

                async def work() -> None:
                    try:
                        for index in waiting:
                            done.put((index, await self._answer(conversations[index], session)))
                    except Exception:
                        # The group ends with it; what is on its way is still answered, kept and passed on.
                        client.end()
                        raise

                for _ in range(min(self._settings.concurrency, len(conversations))):
                    group.start_soon(work)

    @asynccontextmanager
    async def _open_client(self, cache: AnswerCache) -> AsyncIterator[EndpointClient]:
        settings = self._settings
        headers = {} if self._key is None else {"Authorization": f"Bearer {self._key.get_secret_value()}"}
        limits = httpx.Limits(max_connections=settings.concurrency)
        limiter = RateLimiter(
            settings.requests_per_minute, settings.tokens_per_minute, clock=time.monotonic, sleep=anyio.sleep
        )
        budget = Budget(
            settings.budget_tokens,
            settings.timeout_s + _SLACK_S,
            cache,
            f"raise budget_tokens to go on; the answers so far are kept in {self._cache}.",
        )
        async with httpx.AsyncClient(timeout=settings.timeout_s, headers=headers, limits=limits) as http:
            yield EndpointClient(
                http, settings, limiter=limiter, budget=budget, cache=cache, key=self._key, sleep=anyio.sleep
            )

    async def _answer(self, conversation: Conversation, session: _Session) -> Completion:
        request = self._build(conversation)
        reply = await session.get(request)
        text, output_tokens = reply.text, reply.output_tokens
        if self._generation.constrained and reply.finish not in UNANSWERED:
            closing = build_closing_request(request, reply.text, self._settings, self._generation)
            reply = await session.get(closing)
            text, output_tokens = closing.before + reply.text, output_tokens + reply.output_tokens
        parsed = parse_verdict(text, conversation.format, self._marker, conversation.scale).parsed
        return Completion(
            text=text,
            prompt_tokens=reply.prompt_tokens,
            output_tokens=output_tokens,
            finish="verdict" if parsed and reply.finish not in UNANSWERED else reply.finish,
            probabilities=reply.probabilities if self._generation.expectation and parsed else None,
        )


def _unwrap(group: "ExceptionGroup[Exception]") -> Exception:
    first = group.exceptions[0]
    return _unwrap(first) if isinstance(first, ExceptionGroup) else first
