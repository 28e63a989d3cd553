"""Doing the next piece of work while the last one is used: parsing goes on while rows are checked and stored."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_END = object()
_AHEAD = 3


def work_ahead(items: Iterable[T]) -> Iterator[T]:
    """Hand on ``items`` in their order, made on a thread of their own, a few ahead; what fails there fails here."""
    ready: queue.Queue[object] = queue.Queue(maxsize=_AHEAD)
    stopped = threading.Event()
    failure: list[BaseException] = []

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:
            failure.append(error)
        put(_END)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            yield item  # type: ignore[misc]
        if failure:
            raise failure[0]
    finally:
        stopped.set()
        thread.join()
