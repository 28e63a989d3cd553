"""Which judge is to be served: a folder, or the registry's champion."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from judgeforge.params import EvaluateParams, PromoteParams, load_section
from judgeforge.serve.messages import Job
from judgeforge.serve.tickets import Judge

if TYPE_CHECKING:
    from judgeforge.promote.registry import JudgeVersion

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 60.0, 3600.0


class Source:
    """Where the judge comes from.

    Args:
        model: a judge's folder; None: the champion of the registry.
        base: the base model of an adapter that was moved.
    """

    def __init__(self, model: Path | None, base: Path | None) -> None:
        self._model, self._base = model, base
        self._pause_s, self._until = 0.0, 0.0
        self._put_off: str | None = None
        self.served: str | None = None

    @property
    def is_registry(self) -> bool:
        """Whether another judge may come by itself."""
        return self._model is None

    def find(self, *, asked: bool) -> Judge | None:
        """Find the judge to be served, and fetch it; decoding is read anew from params.yaml.

        Args:
            asked: somebody wants a change now: a folder is loaded anew, and what was put off is tried.

        Returns:
            None where there is nothing to change.

        Raises:
            InputError: there is none.
            EnvironmentFault: the registry is not there.
        """
        params = load_section("evaluate", EvaluateParams)
        if self._model is not None:
            job = Job(model=self._model.resolve(), base=self._base, params=params)
            return Judge(self._model.resolve().name, job) if asked else None
        from judgeforge.promote.fetching import fetch_version  # noqa: PLC0415 - mlflow takes seconds

        version = find_champion()
        is_put_off = version.number == self._put_off and time.monotonic() < self._until
        if version.number == self.served or (is_put_off and not asked):
            return None
        folder, base = fetch_version(version)
        return Judge(version.number, Job(model=folder.resolve(), base=self._base or base, params=params))

    def accept(self, judge: Judge) -> None:
        """Remember what is served."""
        self.served, self._put_off = judge.version, None

    def put_off(self, judge: Judge) -> float:
        """Let a judge that could not be loaded wait, twice as long each time: loading one costs time and memory.

        Returns:
            for how many seconds; 0 where nobody tries it again by himself.
        """
        if not self.is_registry:
            return 0.0
        again = judge.version == self._put_off
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S) if again else _FIRST_PAUSE_S
        self._put_off, self._until = judge.version, time.monotonic() + self._pause_s
        return self._pause_s


def find_champion() -> "JudgeVersion":
    """Find the champion of the registry.

    Raises:
        InputError: no version is.
        EnvironmentFault: the registry is not there.
    """
    from judgeforge.promote.aliases import CHAMPION  # noqa: PLC0415
    from judgeforge.promote.fetching import find_carrier  # noqa: PLC0415 - mlflow takes seconds

    return find_carrier(load_section("promote", PromoteParams).model_name, CHAMPION)


def describe_fault(error: Exception) -> str:
    """Say what a client of the registry raised, without the credentials of its address."""
    from judgeforge.tracking.store import explain  # noqa: PLC0415 - a folder needs none of it

    return f"{type(error).__name__}: {explain(error)}."
