"""OpenAI's batch files: a folder of requests that are on their way, and the rows and the job that they belong to.

A request file is open from when it is written until results that hold any of its ids are taken in; what is asked in an
open file is not asked again. Files of one folder are of one job, which is written down there.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from judgeforge.engines.endpoint.requests import Request, estimate_tokens
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.protocol import Sampling
from judgeforge.errors import InputError
from judgeforge.files import load_json, write_atomically, write_folder_atomically, write_json
from judgeforge.prepare.feedback import Frames
from judgeforge.prepare.teacher.jobs import Job
from judgeforge.prepare.teacher.tasks import RubricTask, build_task
from judgeforge.prepare.teacher.templates import TeacherTemplate

_JOB_FILE = "job.json"
_ROWS = "rows"
_REQUESTS = "requests-*.jsonl"
_MAX_REQUESTS = 50_000
_MAX_BYTES = 190_000_000
"""OpenAI takes 50,000 requests and 200 MB a file (its Batch API's guide)."""
_DIGITS = 24


@dataclass(frozen=True)
class Asked:
    """A request in a file.

    Args:
        request: as it was sent.
        attempt: of its row, from 0.
    """

    request: Request
    attempt: int


def choose_folder(job: Job, batches: Path) -> Path:
    """Choose the folder of a job: another where anything that changes answers is another."""
    template = job.task.template
    identity = [template.compute_digest(), job.settings.compute_digest(), job.settings.json_schema]
    identity += [job.sampling.model_dump(), job.task.schema]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
    return batches / f"{template.task}-{digest}"


def write_job(job: Job, budget_tokens: int | None, folder: Path) -> None:
    """Write down what the folder's requests are."""
    task = job.task
    values = {
        "template": task.template.model_dump(),
        "settings": job.settings.model_dump(mode="json"),
        "sampling": job.sampling.model_dump(),
        "attempts": job.attempts,
        "rubric_levels": task.count if isinstance(task, RubricTask) else None,
        "budget_tokens": budget_tokens,
    }
    write_json(folder / _JOB_FILE, values)


def load_job(folder: Path) -> tuple[Job, int | None]:
    """Load the job of a folder, and its budget.

    Raises:
        InputError: the folder holds none.
    """
    values = load_json(folder / _JOB_FILE)
    template = TeacherTemplate.model_validate(values["template"])
    task = build_task(template.task, template, values["rubric_levels"])
    settings = EndpointSettings.model_validate(values["settings"])
    job = Job(task, settings, Sampling.model_validate(values["sampling"]), values["attempts"])
    return job, values["budget_tokens"]


def write_rows(job: Job, frames: Frames, folder: Path) -> None:
    """Write down what is asked about, in the place of older rows."""
    with write_folder_atomically(folder / _ROWS) as rows:
        for number, frame in enumerate(frames()):
            frame.select(job.task.columns).write_parquet(rows / f"{number:05d}.parquet")


def find_rows(folder: Path) -> Frames:
    """Find the rows that were written down."""
    paths = sorted((folder / _ROWS).glob("*.parquet"))
    return lambda: (pl.read_parquet(path) for path in paths)


def list_open(folder: Path) -> list[Path]:
    """List the request files that are on their way."""
    return sorted(folder.glob(_REQUESTS))


def load_asked(path: Path, job: Job) -> Iterator[tuple[str, Request]]:
    """Load the custom ids and requests of a file, one at a time."""
    for document in _load_lines(path):
        attempt = int(document["custom_id"].split("/")[1]) - 1
        yield document["custom_id"], job.restore_request(document["body"], attempt)


def count_on_way(batches: Path, job: Job) -> int:
    """Sum the most tokens that all requests to the job's model may take which are on their way, whatever they ask."""
    total = 0
    for path in sorted(batches.glob(f"*/{_REQUESTS}")):
        for document in _load_lines(path):
            body = document["body"]
            if body["model"] == job.settings.model:
                prompt = job.restore_request(body, 0).prompt
                total += estimate_tokens(prompt) + int(body.get(job.settings.max_tokens_field, 0))
    return total


def _load_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def write_requests(folder: Path, job: Job, asked: Iterable[Asked]) -> list[Path]:
    """Write requests into as many new files as they take.

    A custom id is QUESTION/ATTEMPT/FILE: what is sent again after a fault of the service has another.
    """
    number = 1 + max((int(path.stem.rpartition("-")[2]) for path in folder.rglob(_REQUESTS)), default=0)
    rest = iter(asked)
    paths: list[Path] = []
    while (first := next(rest, None)) is not None:
        name = f"{number + len(paths):03d}"
        path = folder / _REQUESTS.replace("*", name)
        with write_atomically(path) as handle:
            count = size = 0
            for each in itertools.chain([first], rest):
                line = _render_line(each, job, name)
                handle.write(line)
                count, size = count + 1, size + len(line)
                # The next line is not known yet; a request has some 10 kB, and there is room for megabytes.
                if count >= _MAX_REQUESTS or size >= _MAX_BYTES:
                    break
        paths.append(path)
    return paths


def _render_line(asked: Asked, job: Job, file: str) -> bytes:
    custom_id = f"{asked.request.key[:_DIGITS]}/{asked.attempt + 1}/{file}"
    place = urlsplit(job.settings.url).path
    document = {"custom_id": custom_id, "method": "POST", "url": place, "body": asked.request.body}
    return json.dumps(document).encode() + b"\n"


def require_batchable(settings: EndpointSettings) -> None:
    """Make sure that the requests can stand in a batch file.

    Raises:
        InputError: they would ask for a stream.
    """
    if settings.stop_early:
        raise InputError("A batch cannot be read as it is written.", "set stop_early to false in the endpoint's file.")
