"""The queue between requests and worker: bounded, in order, and asked again when a worker dies.

A change of the judge starts the new worker beside the old one, which answers what it was asked and then ends. So
nothing is lost by a change or a death; a request is given up only when its time is over.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Awaitable

from judgeforge.grading.records import DirectItem, PairwiseItem
from judgeforge.serve.child import Child
from judgeforge.serve.log import note
from judgeforge.serve.messages import Answer, Ask, Batch
from judgeforge.serve.metrics import Metrics
from judgeforge.serve.tickets import Judge, Post, Ticket

MAX_TRIES = 4
"""Deaths that a request may live through."""
_ALONE_AFTER = 2
"""After so many, it is asked alone: if it is what kills the worker, it takes no others along."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0


class QueueFull(Exception):
    """As many requests wait as may."""


class KilledWorkers(Exception):
    """Every worker that was asked this died."""


class Dispatcher:
    """Takes items, returns answers.

    Args:
        max_queue: items that may wait.
        start_s: see ``ServeSettings``, as the next.
        hang_s: likewise.
        one_at_a_time: likewise.
        metrics: counts.
    """

    def __init__(self, *, max_queue: int, start_s: float, hang_s: float, one_at_a_time: bool, metrics: Metrics) -> None:
        self._max_queue, self._start_s, self._hang_s = max_queue, start_s, hang_s
        self._one_at_a_time, self._metrics = one_at_a_time, metrics
        self._waiting: deque[Ticket] = deque()
        self._posts: dict[Child, Post] = {}
        self._current: Post | None = None
        self._judge: Judge | None = None
        self._changing = asyncio.Lock()
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Future[None]] = set()
        self._restarting: asyncio.Future[None] | None = None
        self._closed = False
        metrics.watch_queue(lambda: len(self._waiting), lambda: sum(len(post.owed) for post in self._posts.values()))

    @property
    def version(self) -> str | None:
        """The judge's, or None while no worker is there."""
        return self._current.version if self._current else None

    @property
    def worker(self) -> int | None:
        """The worker's process, or None."""
        return self._current.child.pid if self._current else None

    async def grade(self, item: DirectItem | PairwiseItem, timeout_s: float) -> tuple[Answer, str]:
        """Return the answer, and the version of the judge that gave it.

        Raises:
            QueueFull: too many wait.
            TimeoutError: there was no answer in time.
            KilledWorkers: see there.
        """
        if len(self._waiting) >= self._max_queue:
            raise QueueFull
        ticket = Ticket(next(self._numbers), item, asyncio.get_running_loop().create_future())
        self._waiting.append(ticket)
        self._send()
        try:
            return await asyncio.wait_for(ticket.answer, timeout_s)
        finally:
            self._forget(ticket)

    async def change(self, judge: Judge) -> None:
        """Serve another judge; the one before answers what it was asked.

        Raises:
            JudgeforgeError: the new one cannot be loaded; the old one goes on.
        """
        async with self._changing:
            old, before = self._current, self._judge
            if old is not None and self._one_at_a_time:
                self._current = None
                await self._drain(old)
            try:
                post = await self._start(judge)
            except Exception:
                if self._current is None and before is not None:
                    self._see_to_restart()
                raise
            self._judge = judge
            old, self._current = self._current, post
            self._metrics.set_version(judge.version)
            self._send()
            if old is not None:
                self._spawn(self._drain(old))

    def kill_hung(self) -> None:
        """Kill workers that owe an answer and have not said a word for too long."""
        now = time.monotonic()
        for child, post in self._posts.items():
            if post.owed:
                since = max(child.last_heard, min(ticket.sent for ticket in post.owed.values()))
                if now - since > self._hang_s:
                    note(f"serve: worker {child.pid} said nothing for {now - since:.0f} s and is killed.")
                    child.kill()

    async def close(self) -> None:
        """End all workers; what waits is not answered."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(child.close() for child in self._posts))

    async def _start(self, judge: Judge) -> Post:
        child = Child(self._hear, self._lose)
        await child.start(judge.job, self._start_s)
        post = self._posts[child] = Post(child, judge.version)
        return post

    def _send(self) -> None:
        """Send what waits, as far as the worker has room."""
        post = self._current
        while post is not None and self._waiting and len(post.owed) < post.child.window:
            alone = self._waiting[0].tries >= _ALONE_AFTER or any(t.tries >= _ALONE_AFTER for t in post.owed.values())
            if alone and post.owed:
                return
            ticket = self._waiting.popleft()
            ticket.sent = time.monotonic()
            post.owed[ticket.number] = ticket
            post.child.ask(Ask(number=ticket.number, item=ticket.item))

    def _forget(self, ticket: Ticket) -> None:
        """Take back what nobody waits for any more."""
        if ticket.answer.done() and not ticket.answer.cancelled():
            return
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        for post in self._posts.values():
            if ticket.number in post.owed:
                post.child.ask(Ask(number=ticket.number, item=None))

    def _hear(self, child: Child, said: Batch | Answer) -> None:
        if isinstance(said, Batch):
            self._metrics.count_batch(said.size)
            return
        post = self._posts.get(child)
        ticket = post.owed.pop(said.number, None) if post else None
        if post is not None and ticket is not None and not ticket.answer.done():
            ticket.answer.set_result((said, post.version))
        self._send()

    def _lose(self, child: Child) -> None:
        """Ask again what a dead worker owes, before all that waits, and start another."""
        post = self._posts.pop(child, None)
        if post is None or self._closed:
            return
        self._metrics.count_restart()
        note(f"serve: worker {child.pid} died; {len(post.owed)} items are asked again.")
        for ticket in reversed(post.owed.values()):
            ticket.tries += 1
            if ticket.answer.done():
                continue
            if ticket.tries >= MAX_TRIES:
                ticket.answer.set_exception(KilledWorkers())
            else:
                self._waiting.appendleft(ticket)
        if self._current is post:
            self._current = None
            self._see_to_restart()
        self._send()

    def _see_to_restart(self) -> None:
        if self._restarting is None or self._restarting.done():
            self._restarting = self._spawn(self._restart())

    async def _restart(self) -> None:
        pause = _FIRST_PAUSE_S
        while self._current is None and self._judge is not None:
            async with self._changing:
                if self._current is not None:
                    return
                try:
                    self._current = await self._start(self._judge)
                    self._send()
                    return
                except Exception as error:
                    note(f"serve: no worker: {error} Next try in {pause:g} s.")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _drain(self, post: Post) -> None:
        while post.owed and post.child in self._posts:
            await asyncio.sleep(0.05)
        if self._posts.pop(post.child, None) is not None:
            await post.child.close()

    def _spawn(self, work: Awaitable[None]) -> asyncio.Future[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
