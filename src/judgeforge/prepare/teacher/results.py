"""What came back of batch files, taken into the cache of answers: each line an answer, a fault, or nothing of use."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import httpx

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.faults import Fault
from judgeforge.engines.endpoint.replies import Reply, parse_reply
from judgeforge.engines.endpoint.requests import Request, estimate_tokens
from judgeforge.engines.endpoint.spending import NOTHING, Cost
from judgeforge.files import read_text
from judgeforge.prepare.teacher.batches import list_open, load_asked
from judgeforge.prepare.teacher.jobs import Job

_TAKEN = "taken"
_REFUSING = {400, 422}
_COUNTED = ("answered", "errors", "garbled", "missing", "refused", "known", "unknown", "unreadable")


def take_in(folder: Path, job: Job, cache: AnswerCache, results: Sequence[Path]) -> dict[str, int]:
    """Keep the answers in result files, and close the request files that they belong to.

    Args:
        folder: of the requests.
        job: of the folder.
        cache: where answers are kept.
        results: output and error files of the batches.

    Returns:
        Counts: ``answered``; ``errors`` and ``garbled`` answers and ``missing`` ids, which are asked again; ``refused``
        requests; ``known``: answers that were there; ``unknown`` ids and ``unreadable`` lines, which are passed over.
    """
    counts: Counter[str] = Counter()
    found: dict[str, Any] = {}
    for path in results:
        for document in _load_results(path, counts):
            found[document["custom_id"]] = document
    matched = 0
    for path in list_open(folder):
        ids = {custom_id for custom_id, _ in load_asked(path, job)}
        if not ids & found.keys():
            continue
        for custom_id, request in load_asked(path, job):
            came = found.get(custom_id)
            counts["missing" if came is None else _keep_result(came, request, cache)] += 1
        matched += len(ids & found.keys())
        (folder / _TAKEN).mkdir(exist_ok=True)
        path.rename(folder / _TAKEN / path.name)
    counts["unknown"] += len(found) - matched
    return {name: counts[name] for name in _COUNTED}


def _load_results(path: Path, counts: Counter[str]) -> Iterator[dict[str, Any]]:
    for line in read_text(path).split("\n"):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict) and isinstance(document.get("custom_id"), str):
            yield document
        else:
            counts["unreadable"] += 1


def _keep_result(document: dict[str, Any], request: Request, cache: AnswerCache) -> str:
    if cache.find(request) is not None:
        return "known"
    response = document.get("response")
    if document.get("error") or not isinstance(response, dict):
        return "errors"
    status, body = response.get("status_code"), response.get("body")
    if status != httpx.codes.OK:
        if status not in _REFUSING:
            return "errors"
        fault = Fault(httpx.Response(status, content=json.dumps(body)), secret=None)
        # Kept, unlike an endpoint's: it would be written into file after file.
        finish: Literal["prompt_too_long", "refused"] = "prompt_too_long" if fault.is_too_long else "refused"
        reply = Reply(text="", finish=finish, prompt_tokens=estimate_tokens(request.prompt), output_tokens=0)
        cache.settle(request, NOTHING, reply=reply, reservation=None)
        return "refused"
    try:
        reply = parse_reply(body, request)
    except ValueError:
        return "garbled"
    cost = Cost(reply.prompt_tokens, reply.output_tokens)
    cache.settle(request, cost, reply=reply, reservation=None)
    return "answered"
