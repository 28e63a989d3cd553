"""The engine on an endpoint: many questions on their way at once, each answered from the cache where it can be."""

import queue
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx
from anyio.from_thread import start_blocking_portal

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.client import EndpointClient
from judgeforge.engines.endpoint.limits import Budget, RateLimiter
from judgeforge.engines.endpoint.replies import Reply
from judgeforge.engines.endpoint.requests import Request, build_closing_request, build_request, estimate_tokens
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.protocol import Completion, Conversation, Generation, check_closing
from judgeforge.errors import InputError
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.templates import JudgeTemplate

_CLAIMED_WAIT_S = 0.2
_HIGHEST_DIGIT = 9
"""Of scores of one digit, each is one token."""
_UNANSWERED = {"refused", "prompt_too_long"}


@dataclass(frozen=True)
class Estimate:
    """What a run may cost, before it starts.

    Args:
        questions: different ones.
        cached: of these, how many the cache answers.
        prompt_tokens: of the others, about.
        output_tokens: of the others, at most.
        price: at most, in the settings' currency; None: prices unknown.
    """

    questions: int
    cached: int
    prompt_tokens: int
    output_tokens: int
    price: float | None

    def describe(self, currency: str) -> str:
        """Say it in a sentence."""
        known = "unknown: no prices are set" if self.price is None else f"{self.price:,.2f} {currency} at most"
        return (
            f"{self.questions:,} questions, {self.cached:,} of them answered already; about {self.prompt_tokens:,} "
            f"prompt tokens and at most {self.output_tokens:,} answer tokens to pay for; price {known}."
        )


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
        requests = {request.key: request for request in map(self._build, conversations)}
        with AnswerCache(self._cache) as cache:
            missing = [request for request in requests.values() if cache.find(request) is None]
        prompts = sum(estimate_tokens(request.prompt) for request in missing)
        outputs = len(missing) * self._generation.max_new_tokens
        rates = self._settings.price_per_million_input, self._settings.price_per_million_output
        price = None
        if rates[0] is not None and rates[1] is not None:
            price = (prompts * rates[0] + outputs * rates[1]) / 1e6
        return Estimate(len(requests), len(requests) - len(missing), prompts, outputs, price)

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

                async def work() -> None:
                    for index in waiting:
                        done.put((index, await self._answer(conversations[index], client, cache)))

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
            lambda: cache.count_spent(settings.url, settings.model),
            f"raise budget_tokens to go on; the answers so far are kept in {self._cache}.",
        )
        async with httpx.AsyncClient(timeout=settings.timeout_s, headers=headers, limits=limits) as http:
            yield EndpointClient(http, settings, limiter, budget, anyio.sleep)

    async def _answer(self, conversation: Conversation, client: EndpointClient, cache: AnswerCache) -> Completion:
        request = self._build(conversation)
        reply = await self._get(request, client, cache)
        text, output_tokens = reply.text, reply.output_tokens
        if self._generation.constrained and reply.finish not in _UNANSWERED:
            closing = build_closing_request(request, reply.text, self._settings, self._generation)
            reply = await self._get(closing, client, cache)
            text, output_tokens = closing.before + reply.text, output_tokens + reply.output_tokens
        parsed = parse_verdict(text, conversation.format, self._marker, conversation.scale).parsed
        return Completion(
            text=text,
            prompt_tokens=reply.prompt_tokens,
            output_tokens=output_tokens,
            finish="verdict" if parsed and reply.finish not in _UNANSWERED else reply.finish,
            probabilities=reply.probabilities if self._generation.expectation and parsed else None,
        )

    async def _get(self, request: Request, client: EndpointClient, cache: AnswerCache) -> Reply:
        while True:
            if (known := cache.find(request)) is not None:
                return known
            with cache.claim(request) as ours:
                # Another process may have answered it between our look and our claim.
                if ours and (known := cache.find(request)) is None:
                    return await client.send(request, lambda reply, final: cache.keep(request, reply, final=final))
            await anyio.sleep(_CLAIMED_WAIT_S)


def _unwrap(group: "ExceptionGroup[Exception]") -> Exception:
    first = group.exceptions[0]
    return _unwrap(first) if isinstance(first, ExceptionGroup) else first
