"""The judge within the worker: its weights in an engine, or vLLM's server and the engine that asks it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from judgeforge.engines.building import build_engine
from judgeforge.engines.grading import compute_expected_score, stream_verdicts
from judgeforge.engines.protocol import Completion, Engine
from judgeforge.errors import InputError
from judgeforge.grading.records import DirectItem, PairwiseItem, Verdict
from judgeforge.grading.templates import JudgeTemplate, load_template
from judgeforge.serve.messages import Job

Graded = tuple[int, Verdict, Completion, float | None]


class Grader(Protocol):
    """A loaded judge.

    Args:
        batch: items that it reads together.
        lanes: batches that it takes at once, each in a thread.
    """

    batch: int
    lanes: int

    def grade(self, items: Sequence[DirectItem | PairwiseItem]) -> Iterator[Graded]:
        """Yield index, verdict, completion and expected score of each item, as it is done."""
        ...


class EngineGrader:
    """A judge in an engine of this process."""

    lanes = 1

    def __init__(self, job: Job, template: JudgeTemplate) -> None:
        self.batch = job.params.batch_size
        self._engine = build_engine(job.params, job.model, job.base, template)
        self._template = template

    def grade(self, items: Sequence[DirectItem | PairwiseItem]) -> Iterator[Graded]:
        """See ``Grader``."""
        return grade_by(self._engine, items, self._template)


def grade_by(engine: Engine, items: Sequence[DirectItem | PairwiseItem], template: JudgeTemplate) -> Iterator[Graded]:
    """Grade items as every other command does, and weigh the scores where that was asked for."""
    for index, verdict, completion in stream_verdicts(engine, items, template):
        yield index, verdict, completion, compute_expected_score(completion)


@contextmanager
def open_grader(job: Job) -> Iterator[Grader]:
    """Load the judge.

    Raises:
        InputError: there is none, or it does not fit the parameters.
        EnvironmentFault: the machine, or vLLM, gave way.
    """
    folder: Path = job.model
    if not folder.is_dir():
        raise InputError(f"There is no judge in {folder}.", "name a judge's folder, such as models/merged.")
    template = load_template(folder)
    if job.params.engine == "vllm":
        from judgeforge.serve.vllm_server import open_vllm_server  # noqa: PLC0415 - it imports this file

        with open_vllm_server(job, template) as grader:
            yield grader
    else:
        yield EngineGrader(job, template)
