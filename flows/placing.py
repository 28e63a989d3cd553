"""Where a retraining's stages run: here, or on workers of the pool that params.yaml names; and who raises those."""

import contextlib
import threading
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any, Self

from prefect.settings import get_current_settings

from flows.pipeline import Graph, ask_dvc
from judgeforge.errors import InputError
from judgeforge.params import RunnerParams

Raise = Callable[[int], contextlib.AbstractContextManager[Any]]
"""Takes the number of machines, and gives them for as long as the context lasts."""


def is_remote(stage: str, runner: RunnerParams) -> bool:
    """Whether ``stage`` runs in the pool: ``train`` in the settings means every stage of its matrix."""
    return runner.provider != "none" and (stage in runner.stages or stage.split("@", 1)[0] in runner.stages)


def check_places(runner: RunnerParams) -> None:
    """Check before anything runs that stages can go where they are to go.

    Raises:
        InputError: workers of a pool need a lasting Prefect server.
    """
    if runner.provider != "none" and not get_current_settings().api.url:
        raise InputError(
            f"runner.provider is {runner.provider}, but no Prefect server is named that workers could ask.",
            "set PREFECT_API_URL, or set runner.provider to none.",
        )


def check_remote() -> None:
    """Check that DVC has a default remote, by which alone inputs and results travel.

    Raises:
        InputError: it has none.
    """
    if not ask_dvc("remote", "default").strip():
        raise InputError(
            "DVC has no default remote, and workers get their inputs from there.", "run 'dvc remote add -d'."
        )


class Places:
    """The places of one retraining. Machines are raised when the first stage needs one, and go with the context.

    Args:
        runner: the settings.
        stages: that may have to run, each with the stages it needs.
        parallel: how many stages run here at a time.
        raise_machines: of the provider; None: somebody else keeps the workers.
    """

    def __init__(self, runner: RunnerParams, stages: Graph, parallel: int, raise_machines: Raise | None = None) -> None:
        self._runner, self._stages, self._parallel = runner, stages, parallel
        self._raise = raise_machines
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        self.machines: Any = None

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

    def ensure_workers(self) -> None:
        """Raise the machines, unless they are up: as many as stages will run on them at a time."""
        with self._lock:
            if self._raise is not None and self.machines is None:
                self.machines = self._stack.enter_context(self._raise(self.count_machines()))

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
