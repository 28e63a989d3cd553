"""Which address a request goes to, and who is to blame when it fails, on a clock of our own."""

from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from judgeforge.engines.endpoint.client import TryAgain
from judgeforge.engines.endpoint.pool import EndpointPool, Member, Unanswered
from judgeforge.engines.endpoint.replies import Reply
from judgeforge.engines.endpoint.requests import Request
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.errors import EnvironmentFault

ANSWER = Reply(text="x", finish="end", prompt_tokens=1, output_tokens=1)


class Address:
    """Answers a request as it is told; stands in for a client."""

    def __init__(self, answer: Callable[[str], Any]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def send_once(self, request: Request) -> Reply:
        self.asked.append(request.draw)
        answer = self.answer(request.draw)
        if isinstance(answer, anyio.Event):
            await answer.wait()
            return ANSWER
        if isinstance(answer, Exception):
            raise answer
        await anyio.lowlevel.checkpoint()
        return ANSWER


def build_pool(*addresses: Address, concurrency: int = 2) -> EndpointPool:
    settings = {"model": "m", "api_key_env": None, "concurrency": concurrency, "max_attempts": 3}
    settings |= {"first_wait_s": 0.001, "max_wait_s": 0.004}
    members = [
        Member(address, EndpointSettings.model_validate(settings | {"base_url": f"http://h{n}/v1"}))  # type: ignore[arg-type]
        for n, address in enumerate(addresses)
    ]
    return EndpointPool(members, anyio.current_time, answered=0)


async def send(pool: EndpointPool, name: str) -> str:
    try:
        await pool.send(Request("a", {"messages": []}, None, "", name))
    except Unanswered as error:
        return f"unanswered: {error}"
    return "answered"


def refuse(_: str) -> TryAgain:
    return TryAgain("ConnectError", "down")


def test_the_fewest_on_their_way_count_and_not_the_fewest_sent() -> None:
    async def run() -> None:
        stuck = anyio.Event()
        slow, fast = Address(lambda name: stuck), Address(lambda name: None)
        pool = build_pool(slow, fast, concurrency=9)
        async with anyio.create_task_group() as group:
            group.start_soon(send, pool, "first")
            await anyio.wait_all_tasks_blocked()
            with anyio.fail_after(30):
                for n in range(8):
                    assert await send(pool, f"{n}") == "answered"
            stuck.set()
        assert slow.asked == ["first"] and len(fast.asked) == 8

    anyio.run(run)


def test_a_dead_address_costs_no_request_while_another_is_slow() -> None:
    async def run() -> None:
        stuck = anyio.Event()
        dead, slow = Address(refuse), Address(lambda name: stuck)
        pool = build_pool(dead, slow, concurrency=1)
        results = []

        async def note(name: str) -> None:
            results.append(await send(pool, name))

        async with anyio.create_task_group() as group:
            for name in ("one", "two"):
                group.start_soon(note, name)
            while len(dead.asked) < 6:
                await anyio.sleep(0.001)
            assert not results, "twice as often as a request may fail by itself"
            stuck.set()
        assert results == ["answered"] * 2

    anyio.run(run)


def test_requests_that_fail_by_themselves_are_given_up_one_by_one_even_when_no_others_are_left() -> None:
    bad = TryAgain("status 500", "failed")
    address = Address(lambda name: bad if name in "PQ" else None)

    async def run() -> list[str]:
        pool = build_pool(address)
        results = [await send(pool, "good")]

        async def note(name: str) -> None:
            results.append(await send(pool, name))

        async with anyio.create_task_group() as group:
            group.start_soon(note, "P")
            group.start_soon(note, "Q")
        return results

    assert anyio.run(run) == ["answered"] + ["unanswered: status 500"] * 2
    assert len(address.asked) <= 1 + 2 * 12


def test_an_address_that_fails_on_different_requests_is_dead() -> None:
    async def run() -> None:
        pool = build_pool(Address(lambda name: TryAgain("status 500", "failed")), concurrency=3)
        async with anyio.create_task_group() as group:
            for name in "abc":
                group.start_soon(send, pool, name)

    with pytest.raises(ExceptionGroup) as caught:
        anyio.run(run)
    assert caught.group_contains(EnvironmentFault, match="http://h0/v1: status 500")
