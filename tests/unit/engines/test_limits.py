"""Rate limits on a clock of our own: no 60 seconds hold more than they may."""

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeforge.engines.endpoint.limits import RateLimiter


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
