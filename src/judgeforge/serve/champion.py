"""Which judge is to be served: a folder, or the registry's champion."""

from pathlib import Path

from judgeforge.params import EvaluateParams, PromoteParams, load_section
from judgeforge.serve.dispatcher import Judge
from judgeforge.serve.messages import Job


class Source:
    """Where the judge comes from.

    Args:
        model: a judge's folder; None: the champion of the registry.
        base: the base model of an adapter that was moved.
    """

    def __init__(self, model: Path | None, base: Path | None) -> None:
        self._model, self._base = model, base
        self._served: str | None = None

    @property
    def is_registry(self) -> bool:
        """Whether another judge may come by itself."""
        return self._model is None

    def find(self, *, always: bool) -> Judge | None:
        """Find the judge to be served, and fetch it; decoding is read anew from params.yaml.

        Args:
            always: return it also where it is the one that was found before.

        Raises:
            InputError: there is none.
            EnvironmentFault: the registry is not there.
        """
        params = load_section("evaluate", EvaluateParams)
        if self._model is not None:
            job = Job(model=self._model.resolve(), base=self._base, params=params)
            return Judge(self._model.name, job) if always else None
        name = load_section("promote", PromoteParams).model_name
        from judgeforge.promote.aliases import CHAMPION  # noqa: PLC0415
        from judgeforge.promote.fetching import fetch_judge  # noqa: PLC0415 - mlflow takes seconds
        from judgeforge.promote.registry import Registry  # noqa: PLC0415

        registry = Registry(name)
        version = registry.find_alias(CHAMPION)
        if version is not None and version.number == self._served and not always:
            return None
        folder = fetch_judge(name, CHAMPION)
        after = registry.find_alias(CHAMPION)
        if version != after:
            return self.find(always=always)  # the alias moved meanwhile: which one was fetched is not known
        number = after.number if after else ""
        return Judge(number, Job(model=folder.resolve(), base=self._base, params=params))

    def note(self, judge: Judge) -> None:
        """Remember what is served."""
        self._served = judge.version
