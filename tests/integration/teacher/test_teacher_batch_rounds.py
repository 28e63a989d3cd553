"""Rounds of batch files in which anything may come back: in the end each row is done, and no answer bought twice."""

import json
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.params.teacher import TeacherParams
from judgeforge.prepare.teacher.batch import go_on
from judgeforge.prepare.teacher.batches import load_job, write_job, write_rows
from judgeforge.prepare.teacher.model import build_job

from .conftest import PARAMS, make_pairs, tell

ROWS, ATTEMPTS = 4, 2
COMING_BACK = st.sampled_from(["right", "right", "wrong", "no verdict", "refused", "error", "missing", "garbled"])


def answer(line: dict, kind: str) -> list[dict]:
    if kind in ("missing", "error"):
        error = {
            "custom_id": line["custom_id"],
            "response": None,
            "error": {"code": "batch_expired", "message": "late"},
        }
        return [error] if kind == "error" else []
    text = {"right": tell(line["body"]), "wrong": tell(line["body"], right=False)}.get(kind, "Hm.")
    choices = [] if kind == "garbled" else [{"message": {"content": text}, "finish_reason": "stop"}]
    body = {"choices": choices, "usage": {"prompt_tokens": 10, "completion_tokens": 1}}
    status = 400 if kind == "refused" else 200
    return [{"custom_id": line["custom_id"], "response": {"status_code": status, "body": body}, "error": None}]


@settings(max_examples=25, deadline=None)
@given(rounds=st.lists(st.lists(COMING_BACK, min_size=ROWS, max_size=ROWS), max_size=4), seed=st.randoms())
def test_rounds_end_with_every_row_done_and_nothing_paid_twice(rounds, seed):
    with tempfile.TemporaryDirectory() as name:
        place, bought = Path(name), Counter()
        folder, cache = place / "job", place / "answers.sqlite"
        params = TeacherParams.model_validate(PARAMS | {"kind": "batch", "endpoints": ["-"], "attempts": ATTEMPTS})
        settings_ = EndpointSettings(base_url="http://127.0.0.1:1/v1", model="m", api_key_env=None)
        job = build_job(params, settings_, "pairwise")
        write_job(job, None, folder)
        write_rows(job, lambda: make_pairs(ROWS).iter_slices(3), folder)
        go_on(folder, [], cache)
        everything_right = [["right"] * ROWS] * (ATTEMPTS + 1)
        state, old = {}, []
        for kinds in [*rounds, *everything_right]:
            lines = [json.loads(line) for path in folder.glob("requests-*") for line in path.open()]
            results = []
            for line, kind in zip(lines, kinds, strict=False):
                results += answer(line, kind)
                bought[line["custom_id"].rpartition("/")[0]] += kind in ("right", "wrong", "no verdict")
            seed.shuffle(results)
            path = place / f"results-{len(old)}.jsonl"
            path.write_text("".join(json.dumps(each) + "\n" for each in results))
            old.append(path)
            # All older results are handed in again, which must do no harm.
            state = go_on(folder, old, cache)
        assert state["written"] + state["dropped"] == state["rows"] == ROWS
        assert not list(folder.glob("requests-*")) or not lines
        assert max(bought.values(), default=0) <= 1
        with AnswerCache(cache) as opened:
            assert opened.count_spent("teacher", "m") == 11 * sum(bought.values())
        assert load_job(folder)[0] == job
