"""The engine on an endpoint: many questions on their way at once, each answered from the cache where it can be."""

import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path

import anyio
from anyio.from_thread import start_blocking_portal

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.asking import Session, build_budget, open_client, unwrap
from judgeforge.engines.endpoint.estimating import Estimate, compute_estimate
from judgeforge.engines.endpoint.requests import UNANSWERED, Request, build_closing_request, build_request
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.protocol import Completion, Conversation, Generation, check_closing
from judgeforge.errors import InputError
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.templates import JudgeTemplate

_HIGHEST_DIGIT = 9
"""Of scores of one digit, each is one token."""


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
                raise unwrap(group) from None

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
        limit, timeout_s = self._settings.budget_tokens, self._settings.timeout_s
        with AnswerCache(self._cache) as cache:
            budget = build_budget(limit, timeout_s, cache, self._cache, "budget_tokens")
            opened = open_client(self._settings, self._key, budget, cache)
            async with opened as client, anyio.create_task_group() as group:
                session = Session(cache, client.send)

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

    async def _answer(self, conversation: Conversation, session: Session) -> Completion:
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
