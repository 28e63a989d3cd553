"""The teacher behind endpoints: all rows on their way at once, asked again until the verdict is the known one."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.asking import Session, build_budget, open_client, unwrap
from judgeforge.engines.endpoint.estimating import compute_price
from judgeforge.engines.endpoint.pool import EndpointPool, Member, Unanswered
from judgeforge.engines.endpoint.replies import Reply
from judgeforge.engines.endpoint.requests import Request
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.endpoint.spending import Cost
from judgeforge.params.teacher import TeacherParams
from judgeforge.prepare.feedback import TaskName
from judgeforge.prepare.teacher.jobs import Case
from judgeforge.prepare.teacher.model import ModelTeacher
from judgeforge.prepare.teacher.round import Round
from judgeforge.progress import progress_bar, say


@dataclass
class _Bought:
    """Answers that this run paid for, and their tokens."""

    answers: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0

    def add(self, reply: Reply) -> None:
        if reply.finish != "prompt_too_long":
            self.answers += 1
            self.prompt_tokens += reply.prompt_tokens
            self.output_tokens += reply.output_tokens

    def describe(self, settings: EndpointSettings) -> str:
        price = compute_price(settings, Cost(self.prompt_tokens, self.output_tokens))
        known = "" if price is None else f", {price:,.2f} {settings.currency}"
        tokens = f"{self.prompt_tokens:,} prompt tokens and {self.output_tokens:,} answer tokens"
        return f"{self.answers:,} answers came: {tokens}{known}."


class EndpointTeacher(ModelTeacher):
    """Asks a model at one address or several.

    Args:
        params: the section ``prepare.teacher``.
        cache: file of all answers that were ever paid for.

    Raises:
        InputError: see ``ModelTeacher``; or a key is missing.
    """

    def __init__(self, params: TeacherParams, cache: Path) -> None:
        super().__init__(params, cache)
        self._keys = [settings.read_key() for settings in self._endpoints]

    def _ask(self, asked: Round, cache: AnswerCache) -> None:
        settings, redraws = self._endpoints[0], self._params.attempts > 1
        say(f"{', '.join(asked.lacking)}: {asked.estimate().describe(settings.currency, redraws=redraws)}")
        bought = _Bought()
        try:
            anyio.run(self._ask_all, asked, cache, bought)
        except ExceptionGroup as group:
            raise unwrap(group) from None
        finally:
            say(bought.describe(settings))

    async def _ask_all(self, asked: Round, cache: AnswerCache, bought: _Bought) -> None:
        waiting = _list_all(asked)
        with progress_bar() as bar:
            task = bar.add_task(f"Teacher {self._endpoints[0].model}", total=asked.waiting, note="")

            async def work(pool: EndpointPool, session: Session) -> None:
                try:
                    for name, case in waiting:
                        await _finish(case, session)
                        asked.note_done(name, case)
                        dropped = sum(tally.dropped.total() for tally in asked.tallies.values())
                        bar.update(task, advance=1, note=f"{dropped:,} dropped")
                except Exception:
                    # The group ends with it; what is on its way is still answered and kept.
                    pool.end()
                    raise

            async with self._open_pool(asked, cache) as pool, anyio.create_task_group() as group:

                async def send(request: Request) -> Reply:
                    reply = await pool.send(request)
                    bought.add(reply)
                    return reply

                session = Session(cache, send)
                for _ in range(min(pool.concurrency, asked.waiting)):
                    group.start_soon(work, pool, session)

    @asynccontextmanager
    async def _open_pool(self, asked: Round, cache: AnswerCache) -> AsyncIterator[EndpointPool]:
        limit, longest_s = self._params.budget_tokens, max(each.timeout_s for each in self._endpoints)
        setting = "prepare.teacher.budget_tokens"
        budget = build_budget(limit, longest_s, cache, self._cache, setting, asked.prompt_factor)
        async with AsyncExitStack() as stack:
            members = []
            for settings, key in zip(self._endpoints, self._keys, strict=True):
                client = await stack.enter_async_context(open_client(settings, key, budget, cache))
                members.append(Member(client, settings))
            yield EndpointPool(members, time.monotonic, answered=asked.found)


def _list_all(asked: Round) -> Iterator[tuple[TaskName, Case]]:
    for name in asked.lacking:
        yield from ((name, case) for case in asked.list_waiting(name))


async def _finish(case: Case, session: Session) -> None:
    while not case.done:
        try:
            case.note(await session.get(case.build_request()))
        except Unanswered as error:
            case.dropped = "refused" if error.refused else "no_answer"
