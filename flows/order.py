"""The order of stages: each as soon as what it needs is done, as many at a time as their places have room for."""

import concurrent.futures
import contextlib
from collections.abc import Callable, Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from prefect.futures import PrefectConcurrentFuture

from flows.pipeline import Graph
from judgeforge.errors import InputError, JudgeforgeError

Future = PrefectConcurrentFuture[None]
_WAKE_S = 0.5
"""A main thread that waits without end was seen to miss Ctrl-C (Python 3.11, with Prefect's threads beside it)."""


def run_in_order(
    stages: Graph,
    has_room: Callable[[str, Collection[str]], bool],
    submit: Callable[[str], Any],
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Run stages as soon as what they need is done and there is room, the first in ``stages`` first.

    When a stage fails, what does not need it still runs to its end; then the first failure is raised.

    Args:
        stages: each with the stages it needs.
        has_room: whether a stage may run beside those that run.
        submit: starts a stage and returns its Prefect future.
        meanwhile: called in this thread, again and again, while stages run.
    """
    sorter = TopologicalSorter(stages)
    try:
        sorter.prepare()
    except CycleError as error:
        raise InputError("The stages in dvc.yaml need each other in a circle.", "break the circle.") from error
    rank = {name: place for place, name in enumerate(stages)}
    ready: list[str] = []
    running: dict[Future, str] = {}
    failures: list[JudgeforgeError] = []
    while True:
        ready = sorted([*ready, *sorter.get_ready()], key=rank.__getitem__)
        for stage in list(ready):
            if has_room(stage, running.values()):
                ready.remove(stage)
                running[submit(stage)] = stage
        if not running:
            break
        future = _wait_for_one(list(running), meanwhile)
        try:
            future.result()
            sorter.done(running.pop(future))
        except JudgeforgeError as error:
            running.pop(future)
            failures.append(error)
    if failures:
        raise failures[0]


def _wait_for_one(futures: list[Future], meanwhile: Callable[[], None]) -> Future:
    while True:
        meanwhile()
        for future in futures:
            if future.wrapped_future.done():
                return future
        waiting = [future.wrapped_future for future in futures]
        concurrent.futures.wait(waiting, timeout=_WAKE_S, return_when=concurrent.futures.FIRST_COMPLETED)


@contextlib.contextmanager
def settling(futures: list[Future], limit_s: float) -> Iterator[None]:
    """When an exception leaves the block, wait until its stages have ended: they may have something to put away.

    Args:
        futures: of the stages that were started.
        limit_s: how long to wait.
    """
    try:
        yield
    except BaseException:
        concurrent.futures.wait([future.wrapped_future for future in futures], timeout=limit_s)
        raise
