"""What is asked of which model, and where each row stands: its next request, what its answers were worth, its end."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from judgeforge.engines.endpoint.replies import Reply
from judgeforge.engines.endpoint.requests import UNANSWERED, Request, build_body, name_draw
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.protocol import Sampling
from judgeforge.prepare.teacher.tasks import Row, Task

ACCOUNT = "teacher"
"""All addresses of a teacher's model share answers and budget under this name."""

Find = Callable[[Request], Reply | None]


@dataclass(frozen=True)
class Job:
    """What is asked, of which model, how often.

    Args:
        task: what is asked for.
        settings: of the model; limits and address change no answer.
        sampling: how the model decodes.
        attempts: times that a row is asked until an answer will do.
    """

    task: Task
    settings: EndpointSettings
    sampling: Sampling
    attempts: int

    def build_request(self, row: Row, attempt: int) -> Request:
        """Build the request of a row's attempt, counted from 0; each draws anew."""
        body = build_body(self.task.render(row), self.settings, self.sampling, attempt)
        if self.task.schema is not None and self.settings.json_schema:
            schema = {"name": self.task.template.task, "schema": self.task.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return self.restore_request(body, attempt)

    def restore_request(self, body: dict[str, Any], attempt: int) -> Request:
        """Build the request of a body that was written down."""
        draw = name_draw(self.settings, self.sampling, attempt)
        task = self.task
        return Request(ACCOUNT, body, task.format, task.template.result_marker, draw, self.settings.revision)


@dataclass
class Case:
    """A row on its way to an answer that will do.

    Args:
        job: what is asked.
        row: what about.
        results: what each of its answers was worth.
        written: by column; None: nothing will do so far.
        dropped: why it is given up; None: it is not.
    """

    job: Job
    row: Row
    results: list[str] = field(default_factory=list)
    written: dict[str, Any] | None = None
    dropped: str | None = None

    @property
    def done(self) -> bool:
        """Whether it is written or dropped."""
        return self.written is not None or self.dropped is not None

    def build_request(self) -> Request:
        """Build the request that it waits for."""
        return self.job.build_request(self.row, len(self.results))

    def note(self, reply: Reply) -> None:
        """Take note of an answer."""
        values: dict[str, Any] = {}
        if reply.finish in UNANSWERED:
            result: str = reply.finish
        else:
            outcome = self.job.task.check(self.row, reply.text, whole=reply.finish == "end")
            result, values = outcome.result, outcome.values
        self.results.append(result)
        if values:
            self.written = values
        elif len(self.results) >= self.job.attempts or result == "prompt_too_long":
            self.dropped = result

    def look_up(self, find: Find) -> Request | None:
        """Take note of the answers that are there, and return the request that is missing; None: it is done."""
        while not self.done:
            request = self.build_request()
            if (reply := find(request)) is None:
                return request
            self.note(reply)
        return None


@dataclass
class Tally:
    """Counts of one task's rows.

    Args:
        rows: all.
        written: those with an answer that will do.
        dropped: the others that are done, by reason.
        answers: all answers, by what they were worth.
    """

    rows: int = 0
    written: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)

    def add(self, case: Case) -> None:
        """Count a row that is done."""
        self.answers.update(case.results)
        if case.dropped is None:
            self.written += 1
        else:
            self.dropped[case.dropped] += 1

    @property
    def done(self) -> int:
        """Rows that are written or dropped."""
        return self.written + self.dropped.total()

    def describe_dropped(self) -> str:
        """Say how many were dropped, by reason."""
        return ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.dropped.items()))

    def as_values(self) -> dict[str, Any]:
        """Return the counts for the statistics."""
        return {
            "rows": self.rows,
            "written": self.written,
            "dropped": self.dropped.total(),
            "dropped_for": dict(sorted(self.dropped.items())),
            "answers": dict(sorted(self.answers.items())),
        }
