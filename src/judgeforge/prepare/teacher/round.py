"""One round of asking: what is lacking, looked up in the cache first, so that its price is known before it is asked."""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.estimating import Estimate, compute_price
from judgeforge.engines.endpoint.replies import Reply
from judgeforge.engines.endpoint.requests import Request, estimate_tokens
from judgeforge.engines.endpoint.spending import Cost
from judgeforge.errors import InputError
from judgeforge.prepare.feedback import Frames, TaskName
from judgeforge.prepare.teacher.jobs import Case, Job, Tally

_DIGITS = 15


@dataclass
class Round:
    """The rows of one round.

    Args:
        jobs: of the tasks.
        lacking: rows of each task.
        max_dropped_share: of a task's rows.
        tallies: of the tasks, filled while rows are done.
        unfinished: answers that were there of rows that are not done, by what they were worth.
        found: answers that were there.
        prompt_factor: the largest between a prompt's tokens and their estimate, of these; None: there was none.
    """

    jobs: Mapping[TaskName, Job]
    lacking: Mapping[TaskName, Frames]
    max_dropped_share: float
    tallies: dict[TaskName, Tally] = field(default_factory=dict)
    unfinished: Counter[str] = field(default_factory=Counter)
    found: int = 0
    prompt_factor: float | None = None
    _waiting: "dict[TaskName, list[array[int]]]" = field(default_factory=dict)
    _prompts: int = 0
    _questions: set[int] = field(default_factory=set)

    def scan(self, cache: AnswerCache) -> None:
        """Take note of all answers that are there.

        Raises:
            InputError: too many rows of a task have no usable answer.
        """

        def find(request: Request) -> Reply | None:
            reply = cache.find(request)
            if reply is not None:
                self.found += 1
                factor = reply.prompt_tokens / max(estimate_tokens(request.prompt), 1)
                self.prompt_factor = max(self.prompt_factor or 1.0, factor)
            return reply

        for name, frames in self.lacking.items():
            job, tally = self.jobs[name], self.tallies.setdefault(name, Tally())
            places = self._waiting[name] = []
            for frame in frames():
                places.append(array("I"))
                tally.rows += frame.height
                for index, row in enumerate(frame.select(job.task.columns).iter_rows(named=True)):
                    case = Case(job, row)
                    if (request := case.look_up(find)) is None:
                        tally.add(case)
                    else:
                        places[-1].append(index)
                        self.unfinished.update(case.results)
                        self._count(request)
        for name in self.tallies:
            self.require_enough(name)

    def _count(self, request: Request) -> None:
        key = int(request.key[:_DIGITS], 16)
        if key not in self._questions:
            self._questions.add(key)
            self._prompts += estimate_tokens(request.prompt)

    @property
    def waiting(self) -> int:
        """Rows that were not done when they were looked up."""
        return sum(map(self.count_waiting, self._waiting))

    def count_waiting(self, name: TaskName) -> int:
        """Count the rows of a task that were not done when they were looked up."""
        return sum(map(len, self._waiting[name]))

    def list_waiting(self, name: TaskName) -> Iterator[Case]:
        """Yield the rows of a task that were not done when they were looked up; their answers are noted anew."""
        job = self.jobs[name]
        if not self.count_waiting(name):
            return
        for places, frame in zip(self._waiting[name], self.lacking[name](), strict=True):
            rows = frame.select(job.task.columns)[list(places)]
            yield from (Case(job, row) for row in rows.iter_rows(named=True))

    def estimate(self) -> Estimate:
        """Say what the next answer of each row costs at most."""
        job = next(iter(self.jobs.values()))
        count, done = len(self._questions), sum(tally.done for tally in self.tallies.values())
        cost = Cost(self._prompts, count * job.sampling.max_new_tokens)
        return Estimate(done + count, done, *cost, compute_price(job.settings, cost))

    def note_done(self, name: TaskName, case: Case) -> None:
        """Count a row that is done.

        Raises:
            InputError: too many rows of its task have no usable answer.
        """
        self.tallies[name].add(case)
        if case.dropped is not None:
            self.require_enough(name)

    def require_enough(self, name: TaskName) -> None:
        """Make sure that not too many of a task's rows are dropped.

        Raises:
            InputError: too many are.
        """
        tally = self.tallies[name]
        if tally.dropped.total() <= self.max_dropped_share * tally.rows:
            return
        raise InputError(
            f"The teacher {self.jobs[name].settings.model} has no usable answer for {tally.dropped.total():,} of "
            f"{tally.rows:,} rows ({name}: {tally.describe_dropped()}).",
            "try a better model or more attempts, or raise prepare.teacher.max_dropped_share.",
        )
