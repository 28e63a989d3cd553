"""What the two teachers that ask a model share: the job of each task, and the writing down of what was answered."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import polars as pl

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.settings import EndpointSettings, load_endpoint
from judgeforge.engines.protocol import Sampling
from judgeforge.errors import InputError
from judgeforge.params.teacher import TeacherParams
from judgeforge.prepare.feedback import Frames, TaskName
from judgeforge.prepare.teacher.jobs import Case, Job, Tally
from judgeforge.prepare.teacher.round import Round
from judgeforge.prepare.teacher.tasks import build_task
from judgeforge.prepare.teacher.templates import load_teacher_template
from judgeforge.progress import say

_OF_ONE_ADDRESS = {
    "base_url",
    "api_key_env",
    "allow_plain_http",
    "concurrency",
    "requests_per_minute",
    "tokens_per_minute",
    "timeout_s",
    "max_attempts",
    "first_wait_s",
    "max_wait_s",
    "empty_attempts",
}
"""Settings in which addresses of one model may differ."""


class ModelTeacher:
    """Asks a model; how, is up to the classes below. What is written is what the cache holds once it was asked.

    Args:
        params: the section ``prepare.teacher``.
        cache: file of all answers that were ever paid for.

    Raises:
        InputError: a file of settings or a template cannot be used, or they do not fit together.
    """

    def __init__(self, params: TeacherParams, cache: Path) -> None:
        self._params, self._cache = params, cache
        self._endpoints = load_endpoints(params)
        # All of them: a damaged template is told before anything is asked.
        names: Sequence[TaskName] = get_args(TaskName)
        self._jobs = {name: build_job(params, self._endpoints[0], name) for name in names}
        self._tallies: dict[TaskName, Tally] = {}
        self.writes_direct = params.write_direct_feedback
        self.writes_references = params.write_references
        self.rubric_levels = params.rubric_levels if params.write_rubrics else None

    def ask(self, lacking: Mapping[TaskName, Frames]) -> None:
        """See ``Teacher``."""
        with AnswerCache(self._cache) as cache:
            asked = Round(self._jobs, lacking, self._params.max_dropped_share)
            asked.scan(cache)
            if asked.waiting:
                self._ask(asked, cache)
        self._tallies |= asked.tallies
        for name, tally in asked.tallies.items():
            reasons = tally.describe_dropped()
            say(f"{name}: {tally.written:,} written, {tally.dropped.total():,} dropped{reasons and f' ({reasons})'}.")

    def _ask(self, asked: Round, cache: AnswerCache) -> None:
        """Have all waiting rows answered."""
        raise NotImplementedError

    def write_direct(self, rows: pl.DataFrame) -> pl.Series:
        """See ``Teacher``."""
        return self._write("direct", rows).to_series()

    def write_pairwise(self, pairs: pl.DataFrame) -> pl.Series:
        """See ``Teacher``."""
        return self._write("pairwise", pairs).to_series()

    def write_rubrics(self, rows: pl.DataFrame) -> pl.DataFrame:
        """See ``Teacher``."""
        return self._write("rubric", rows)

    def write_references(self, rows: pl.DataFrame) -> pl.Series:
        """See ``Teacher``."""
        return self._write("reference", rows).to_series()

    def _write(self, name: TaskName, rows: pl.DataFrame) -> pl.DataFrame:
        job = self._jobs[name]
        found: list[dict[str, Any]] = []
        with AnswerCache(self._cache) as cache:
            for row in rows.select(job.task.columns).iter_rows(named=True):
                case = Case(job, row)
                case.look_up(cache.find)
                found.append(case.written or dict.fromkeys(job.task.written))
        return pl.DataFrame(found, schema=job.task.written)

    def describe(self) -> dict[str, Any]:
        """See ``Teacher``; what depends on the cache alone is left out, so that two builds say the same."""
        tasks = {}
        for name, tally in self._tallies.items():
            template = self._jobs[name].task.template
            tasks[name] = {"template": {"name": template.name, "digest": template.compute_digest()}} | tally.as_values()
        return {"kind": self._params.kind, "model": self._endpoints[0].model, "tasks": tasks}


def build_job(params: TeacherParams, settings: EndpointSettings, name: TaskName) -> Job:
    """Build the job of a task.

    Raises:
        InputError: the template cannot be used.
    """
    template = load_teacher_template(getattr(params.templates, name), name)
    sampling = Sampling(
        **params.model_dump(include={"max_new_tokens", "temperature", "top_p", "seed"}), repetition_penalty=1.0
    )
    return Job(build_task(name, template, params.rubric_levels), settings, sampling, params.attempts)


def load_endpoints(params: TeacherParams) -> Sequence[EndpointSettings]:
    """Load the settings of all addresses.

    Raises:
        InputError: one cannot be read, has a budget of its own, or is of another model than the first.
    """
    endpoints = [load_endpoint(Path(name)) for name in params.endpoints]
    first = endpoints[0].model_dump(exclude=_OF_ONE_ADDRESS)
    for name, settings in zip(params.endpoints, endpoints, strict=True):
        if settings.budget_tokens is not None:
            raise InputError(
                f"{name} sets budget_tokens, but all endpoints of a teacher share one budget.",
                "remove it there and set prepare.teacher.budget_tokens.",
            )
        other = settings.model_dump(exclude=_OF_ONE_ADDRESS)
        if differing := sorted(key for key in first if first[key] != other[key]):
            raise InputError(
                f"{name} and {params.endpoints[0]} differ in {', '.join(differing)}.",
                "the endpoints of a teacher are addresses of one model: let them agree in this.",
            )
    if params.attempts > 1 and params.temperature == 0 and "temperature" not in endpoints[0].omit:
        raise InputError(
            "A teacher at temperature 0 says the same again, however often it is asked.",
            "set prepare.teacher.temperature above 0, or prepare.teacher.attempts to 1.",
        )
    return endpoints
