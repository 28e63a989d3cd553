"""Rate limits on a clock of our own: no 60 seconds hold more than they may."""

import tempfile
from pathlib import Path

import anyio
import anyio.lowlevel
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeforge.engines.endpoint import limits
from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.limits import Budget, RateLimiter
from judgeforge.engines.endpoint.requests import Request
from judgeforge.engines.endpoint.spending import Cost
from judgeforge.errors import InputError


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def admit_all(sizes: list[int], requests: int | None, tokens: int | None) -> list[float]:
    clock = Clock()
    limiter = RateLimiter(requests, tokens, clock=clock.read, sleep=clock.sleep)

    async def run() -> list[float]:
        return [(await limiter.admit(size)).time for size in sizes]

    return anyio.run(run)


def test_the_fourth_of_three_a_minute_waits_for_the_first_to_age() -> None:
    assert admit_all([1] * 7, 3, None) == [0, 0, 0, 60, 60, 60, 120]


def test_a_request_larger_than_the_limit_goes_alone() -> None:
    assert admit_all([10, 500, 10], None, 100) == [0, 60, 120]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 60), max_size=25),
    requests=st.none() | st.integers(1, 5),
    tokens=st.none() | st.integers(60, 150),
)
def test_no_window_of_a_minute_holds_more_than_allowed(
    sizes: list[int], requests: int | None, tokens: int | None
) -> None:
    times = admit_all(sizes, requests, tokens)
    assert times == sorted(times)
    for start in times:
        window = [size for size, time in zip(sizes, times, strict=True) if start <= time < start + 60]
        assert requests is None or len(window) <= requests
        assert tokens is None or sum(window) <= tokens


def test_a_pause_holds_everything_back() -> None:
    clock = Clock()
    limiter = RateLimiter(None, None, clock=clock.read, sleep=clock.sleep)
    limiter.pause(7)
    assert anyio.run(limiter.admit, 1).time == 7


REQUEST = Request("some-account", {"model": "m", "messages": []}, None, "", "")


async def spend(budget: Budget, cache: AnswerCache, estimate: Cost, cost: Cost) -> None:
    """Send a request that costs so much, as a client does."""
    async with budget.hold(REQUEST, estimate) as hold:
        await anyio.lowlevel.checkpoint()
        cache.settle(REQUEST, cost, reply=None, reservation=hold.reservation)
        budget.learn(estimate.prompt, cost.prompt)


@settings(max_examples=40, deadline=None)
@given(
    limit=st.integers(1, 400),
    requests=st.lists(st.tuples(st.integers(1, 20), st.integers(1, 30), st.floats(0, 1)), max_size=20),
    workers=st.integers(1, 6),
)
def test_a_budget_is_never_exceeded_and_ends_when_the_next_may_not_fit(
    limit: int, requests: list[tuple[int, int, float]], workers: int
) -> None:
    refused, done = list[int](), list[int]()
    waiting = iter(requests)

    async def work(budget: Budget, cache: AnswerCache) -> None:
        for prompt, longest, share in waiting:
            try:
                await spend(budget, cache, Cost(prompt, longest), Cost(prompt, int(longest * share)))
                done.append(1)
            except InputError:
                refused.append(1)
                assert cache.count_spent("some-account", "m") + prompt + longest > limit
                return

    async def run(cache: AnswerCache) -> None:
        budget = Budget(limit, 100, cache, "raise it.")
        async with anyio.create_task_group() as group:
            for _ in range(workers):
                group.start_soon(work, budget, cache)

    with tempfile.TemporaryDirectory() as folder, AnswerCache(Path(folder) / "answers.sqlite") as cache:
        anyio.run(run, cache)
        assert cache.count_spent("some-account", "m") <= limit
    assert refused or len(done) == len(requests)


def test_the_first_request_goes_alone_and_its_count_scales_the_estimate_of_the_next(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(limits, "_HELD_WAIT_S", 0.001)
    at_once, most = 0, []

    async def work(budget: Budget, cache: AnswerCache) -> None:
        nonlocal at_once
        async with budget.hold(REQUEST, Cost(10, 5)) as hold:
            at_once += 1
            most.append(at_once)
            # The first one is alone however long it takes; of the others, the second waits for the third.
            if len(most) == 1:
                await anyio.wait_all_tasks_blocked()
            while len(most) == 2:
                await anyio.sleep(0.001)
            cache.settle(REQUEST, Cost(30, 5), reply=None, reservation=hold.reservation)
            budget.learn(10, 30)
            at_once -= 1

    async def run(cache: AnswerCache) -> None:
        budget = Budget(105, 100, cache, "raise it.")
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(work, budget, cache)

    with AnswerCache(tmp_path / "answers.sqlite") as cache:
        anyio.run(run, cache)
        assert most == [1, 1, 2] and cache.count_spent("some-account", "m") == 105
