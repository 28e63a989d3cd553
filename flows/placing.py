"""Where a retraining's stages run: here, or on workers of the pool that params.yaml names; and who raises those."""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from types import TracebackType
from typing import Any, Self

from prefect.settings import get_current_settings

from flows.commands import is_stopping
from flows.machines.closing import MachinesLeftError
from flows.machines.raising import NoWorkersError
from flows.pipeline import Graph
from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError
from judgeforge.params import HEARTBEAT_S, RunnerParams

_WAKE_S = 0.5

FINAL = (NoWorkersError, MachinesLeftError)
"""What nobody should try again: machines came and did not work, or could not be ended."""

Raise = Callable[[int], contextlib.AbstractContextManager[Any]]
"""Takes the number of machines, and gives them for as long as the context lasts."""


def is_remote(stage: str, runner: RunnerParams) -> bool:
    """Whether ``stage`` runs in the pool: ``train`` in the settings means every stage of its matrix."""
    return runner.provider != "none" and (stage in runner.stages or stage.split("@", 1)[0] in runner.stages)


def check_places(runner: RunnerParams) -> None:
    """Check before anything runs that stages can go where they are to go.

    Raises:
        InputError: workers of a pool need a lasting Prefect server, and heartbeats.
    """
    if runner.provider == "none":
        return
    settings = get_current_settings()
    if settings.flows.heartbeat_frequency is None:
        raise InputError(
            "This flow sends no heartbeats, without which lost machines are not known.",
            f"set PREFECT_FLOWS_HEARTBEAT_FREQUENCY={HEARTBEAT_S}, as prefect.yaml does.",
        )
    if not settings.api.url:
        raise InputError(
            f"runner.provider is {runner.provider}, but no Prefect server is named that workers could ask.",
            "set PREFECT_API_URL, or set runner.provider to none.",
        )


class Places:
    """The places of one retraining. Machines are raised when the first stage needs them, and go with the context.

    Where none of them takes a stage, others are raised in their place when that stage is tried again.

    Args:
        runner: the settings.
        stages: that may have to run, each with the stages it needs.
        parallel: how many stages run here at a time.
        raise_machines: of the provider; None: somebody else keeps the workers.
    """

    def __init__(self, runner: RunnerParams, stages: Graph, parallel: int, raise_machines: Raise | None = None) -> None:
        self._runner, self._stages, self._parallel = runner, stages, parallel
        self._raise = raise_machines
        self._changed = threading.Condition()
        self._wanted, self._tries, self._preparing = False, 0, 0
        self._at_work: set[str] = set()
        self._failure: Exception | None = None
        self._stack = contextlib.ExitStack()
        self._are_there = False
        self.machines: Any = None
        """Those that were raised last, also when they have gone."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def is_remote(self, stage: str) -> bool:
        """Whether ``stage`` runs in the pool."""
        return is_remote(stage, self._runner)

    def has_room(self, stage: str, running: Collection[str]) -> bool:
        """Whether ``stage`` may run beside those that run."""
        remote = self.is_remote(stage)
        beside = sum(self.is_remote(other) == remote for other in running)
        return beside < (self._runner.workers if remote else self._parallel)

    @contextlib.contextmanager
    def preparing(self) -> Iterator[None]:
        """Raise no machines inside: one that waited for its stage's inputs would end as idle."""
        with self._changed:
            self._preparing += 1
        try:
            yield
        finally:
            with self._changed:
                self._preparing -= 1

    @contextlib.contextmanager
    def at_work(self, stage: str) -> Iterator[Callable[[bool], None]]:
        """Give what notes whether a worker has taken ``stage``: then the machines are not raised anew."""

        def note(is_taken: bool) -> None:
            with self._changed:
                (self._at_work.add if is_taken else self._at_work.discard)(stage)

        try:
            yield note
        finally:
            note(is_taken=False)

    def give_up(self, machines: Any) -> None:
        """Note that no worker of ``machines`` takes a stage: the next that asks gets others, unless one is at work."""
        with self._changed:
            if machines is self.machines:
                self._are_there = False

    def ensure_workers(self) -> Any:
        """Ask for the machines, and wait until they are up. The thread that calls ``serve`` raises them.

        Returns:
            The machines; None: somebody else keeps the workers.

        Raises:
            JudgeforgeError: they cannot be had; the next call asks again.
        """
        with self._changed:
            if self._are_there:
                return self.machines
            if self._raise is None:
                if self._failure is not None:
                    raise self._failure
                return None
            tries, self._wanted = self._tries, True
            while self._tries == tries:
                if is_stopping():
                    raise EnvironmentFault("The flow is ending.", "run the flow again.")
                self._changed.wait(_WAKE_S)
            if self._failure is not None:
                raise self._failure
            return self.machines

    def serve(self) -> None:
        """Raise the machines if a stage asked for them: in the main thread, which alone is told of a spent budget.

        Machines that were given up are ended first, unless one has taken a stage meanwhile: they are kept then.
        """
        if not self._wanted or self._preparing or self._raise is None:
            return
        failure: Exception | None = None
        if not self._at_work:
            try:
                self._stack.close()
                self.machines = self._stack.enter_context(self._raise(self.count_machines()))
            except JudgeforgeError as error:
                failure = error
        with self._changed:
            self._wanted, self._failure, self._are_there = False, failure, failure is None
            if isinstance(failure, FINAL):
                self._raise = None
            self._tries += 1
            self._changed.notify_all()

    def count_machines(self) -> int:
        """Return how many stages of the pool can run at a time, at most as many as are allowed."""
        return max(1, min(self._runner.workers, measure_width(self._stages, self.is_remote)))


def measure_width(stages: Graph, counts: Callable[[str], bool]) -> int:
    """Return how many stages that count run side by side if each starts as soon as it can and all take equally long."""
    depth: dict[str, int] = {}

    def find_depth(stage: str) -> int:
        if stage not in depth:
            depth[stage] = 1 + max((find_depth(need) for need in stages[stage] if need in stages), default=0)
        return depth[stage]

    levels = [find_depth(stage) for stage in stages if counts(stage)]
    return max((levels.count(level) for level in set(levels)), default=0)
