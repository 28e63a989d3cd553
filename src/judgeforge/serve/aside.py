"""Work that waits for others, beside the event loop, and does not hold up the end of the process."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def run_aside(work: Callable[[], Result]) -> Result:
    """Return what ``work`` returns in a thread of its own.

    ``asyncio.to_thread`` will not do: its threads are waited for at the end, and a download may take long.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def settle(outcome: Callable[[Any], None], value: Any) -> None:
        if not done.done():
            outcome(value)

    def run() -> None:
        try:
            settled: tuple[Callable[[Any], None], Any] = done.set_result, work()
        except BaseException as error:
            settled = done.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, *settled)

    threading.Thread(target=run, daemon=True).start()
    return await done
