"""The teacher by batch files: asking is writing a file, and the stage goes on once its answers were taken in."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.requests import estimate_tokens
from judgeforge.errors import InputError
from judgeforge.params.teacher import TeacherParams
from judgeforge.prepare.feedback import TaskName
from judgeforge.prepare.teacher.batches import (
    Asked,
    choose_folder,
    count_on_way,
    find_rows,
    list_open,
    load_asked,
    load_job,
    require_batchable,
    write_job,
    write_requests,
    write_rows,
)
from judgeforge.prepare.teacher.jobs import ACCOUNT
from judgeforge.prepare.teacher.model import ModelTeacher
from judgeforge.prepare.teacher.results import take_in
from judgeforge.prepare.teacher.round import Round
from judgeforge.progress import say


class BatchTeacher(ModelTeacher):
    """Asks a model by files.

    Args:
        params: the section ``prepare.teacher``.
        cache: file of all answers that were ever paid for.
        batches: folder of all jobs' folders.

    Raises:
        InputError: see ``ModelTeacher``.
    """

    def __init__(self, params: TeacherParams, cache: Path, batches: Path) -> None:
        super().__init__(params, cache)
        require_batchable(self._endpoints[0])
        self._batches = batches

    def _ask(self, asked: Round, cache: AnswerCache) -> None:
        settings, redraws = self._endpoints[0], self._params.attempts > 1
        say(f"{', '.join(asked.lacking)}: {asked.estimate().describe(settings.currency, redraws=redraws)}")
        advice = []
        for name, frames in asked.lacking.items():
            if asked.count_waiting(name):
                job = asked.jobs[name]
                folder = choose_folder(job, self._batches)
                write_job(job, self._params.budget_tokens, folder)
                write_rows(job, frames, folder)
                advice.append(write_next(asked, name, cache, folder, self._params.budget_tokens).advise(folder))
        rows = sum(tally.rows for tally in asked.tallies.values())
        raise InputError(
            f"{asked.waiting:,} of {rows:,} rows wait for answers ({', '.join(asked.lacking)}).",
            f"{'; '.join(advice)}; then run the stage again.",
        )


@dataclass(frozen=True)
class State:
    """Where a folder stands.

    Args:
        written: new request files.
        waiting: request files that are on their way.
        left_out: rows that the budget has no room for now.
    """

    written: Sequence[Path]
    waiting: Sequence[Path]
    left_out: int

    def advise(self, folder: Path) -> str:
        """Say what is to be done."""
        names = " ".join(str(path) for path in [*self.waiting, *self.written])
        more = f" (the budget has no room for {self.left_out:,} rows)" if self.left_out else ""
        if not names:
            return f"raise prepare.teacher.budget_tokens{more}"
        command = f"judgeforge teacher --folder {folder} --results FILE"
        return f"have {names} answered{more} and take the results in with '{command}'"


def write_next(asked: Round, name: TaskName, cache: AnswerCache, folder: Path, budget_tokens: int | None) -> State:
    """Write the requests of all rows that are not done and not on their way, as far as the budget reaches.

    Args:
        asked: that was looked up.
        name: of the task.
        cache: where answers are kept.
        folder: of the requests.
        budget_tokens: see ``TeacherParams``; what is on its way counts with the most that it may use.
    """
    job = asked.jobs[name]
    waiting = list_open(folder)
    on_way = {request.key for path in waiting for _, request in load_asked(path, job)}
    room = math.inf
    if budget_tokens is not None:
        room = budget_tokens - cache.count_spent(ACCOUNT, job.settings.model) - count_on_way(folder.parent, job)
    left_out = 0

    def choose() -> Iterator[Asked]:
        nonlocal room, left_out
        for case in asked.list_waiting(name):
            request = case.look_up(cache.find)
            if request is None or request.key in on_way:
                continue
            needed = math.ceil(estimate_tokens(request.prompt) * (asked.prompt_factor or 1.0))
            needed += job.sampling.max_new_tokens
            if needed > room:
                left_out += 1
                continue
            room -= needed
            on_way.add(request.key)
            yield Asked(request, len(case.results))

    written = write_requests(folder, job, choose())
    return State(written, waiting, left_out)


def go_on(folder: Path, results: Sequence[Path], cache_path: Path) -> dict[str, object]:
    """Take in results and write what is to be asked next.

    Args:
        folder: of one job, as the stage wrote it.
        results: output and error files of the batches; may be none.
        cache_path: file of all answers that were ever paid for.

    Returns:
        Counts of what was taken in, and of where the rows stand.
    """
    job, budget_tokens = load_job(folder)
    name = job.task.template.task
    with AnswerCache(cache_path) as cache:
        taken = take_in(folder, job, cache, results)
        asked = Round({name: job}, {name: find_rows(folder)}, max_dropped_share=1.0)
        asked.scan(cache)
        state = write_next(asked, name, cache, folder, budget_tokens)
    asked.tallies[name].answers.update(asked.unfinished)
    rows = asked.tallies[name].as_values()
    say(json.dumps({"taken_in": taken, **rows}))
    say(f"Next: {state.advise(folder)}." if asked.waiting else "All rows are done: run the stage again.")
    return {"taken_in": taken, **rows, "files": [str(path) for path in state.written]}
