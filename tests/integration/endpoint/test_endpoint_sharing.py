"""Several workers and several processes on one cache: no answer is paid for twice, and no budget is passed."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from judgeforge.engines.endpoint.answers import AnswerCache
from judgeforge.engines.endpoint.requests import Request
from judgeforge.engines.endpoint.spending import Cost
from judgeforge.errors import EnvironmentFault, InputError

from .conftest import KEY, ask, fail, say

GOOD = say("Good. [RESULT] 4", usage=(10, 30))
ROOT = Path(__file__).parents[3]

ASK = """
import sys
from pathlib import Path
from judgeforge.engines.endpoint.engine import EndpointEngine
from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.protocol import Generation
from judgeforge.errors import InputError
from judgeforge.grading.templates import load_template
from tests.integration.endpoint.conftest import GREEDY, ask

url, cache, budget = sys.argv[1:]
settings = {"base_url": url, "model": "some-judge", "api_key_env": "SOME_KEY", "budget_tokens": int(budget)}
engine = EndpointEngine(
    EndpointSettings.model_validate(settings),
    template=load_template("judgeforge-1"),
    generation=Generation.model_validate(GREEDY),
    cache=Path(cache),
)
try:
    print(len(list(engine.complete(ask(30)))))
except InputError as error:
    print(error)
"""


def run_together(count: int, program: str, *arguments: object) -> list[str]:
    environment = os.environ | {"SOME_KEY": KEY, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    started = [subprocess.Popen(command, env=environment, cwd=ROOT, **pipes) for _ in range(count)]
    return [process.communicate()[0] for process in started]


def count_spent(path: Path) -> int:
    base = sqlite3.connect(path)
    try:
        return base.execute("SELECT coalesce(sum(prompt_tokens + output_tokens), 0) FROM spending").fetchone()[0]
    finally:
        base.close()


def test_equal_questions_of_one_call_are_one_request(server, build):
    server.script = lambda n, body: time.sleep(0.2) or GOOD
    (question,) = ask(1)
    assert len(dict(build().complete([question] * 6))) == 6
    assert len(server.bodies) == 1


def test_processes_share_answers(server, tmp_path):
    server.script = lambda n, body: time.sleep(0.2) or GOOD
    assert run_together(3, ASK, server.url, tmp_path / "answers.sqlite", 10**6) == ["30\n"] * 3
    assert len(server.bodies) == 30


def test_processes_share_a_budget(server, tmp_path):
    server.script = lambda n, body: time.sleep(0.2) or GOOD
    said = run_together(3, ASK, server.url, tmp_path / "answers.sqlite", 400)
    assert all("budget of 400 tokens is used up" in each for each in said), said
    assert len(server.bodies) * 40 <= 400 and count_spent(tmp_path / "answers.sqlite") <= 400


def test_a_fresh_cache_that_another_process_is_making_is_waited_for(tmp_path):
    other = sqlite3.connect(tmp_path / "answers.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, other.execute, ["COMMIT"]).start()
    with AnswerCache(tmp_path / "answers.sqlite"):
        assert not other.in_transaction
    other.close()


def test_a_budget_holds_where_no_answer_comes(server, build, tmp_path):
    server.script = lambda n, body: "hang"
    with pytest.raises(InputError, match="budget of 100 tokens"):
        list(build(budget_tokens=100, max_attempts=9, timeout_s=0.3).complete(ask(1)))
    assert len(server.bodies) == 2 and 80 <= count_spent(tmp_path / "answers.sqlite") <= 100


@pytest.mark.parametrize(
    ("fault", "spent"),
    [
        (fail(400, "This model's maximum context length is 4096 tokens."), 0),
        (fail(400, "The prompt was caught by the content management policy."), 0),
        (fail(500), 0),
        ((200, {}, b"{}"), 43),
        ("cut", 43),
        (say("", finish="content_filter", usage=(10, 0)), 10),
    ],
    ids=str,
)
def test_what_was_not_answered_is_not_charged_and_what_broke_off_is(server, build, tmp_path, fault, spent):
    server.script = lambda n, body: fault
    with contextlib.suppress(EnvironmentFault):
        list(build(max_attempts=1).complete(ask(1)))
    assert count_spent(tmp_path / "answers.sqlite") == spent


def test_what_a_dead_process_held_is_given_back(tmp_path):
    request = Request("http://127.0.0.1/v1", {"model": "m", "messages": []}, "direct", "[RESULT]", "")
    died = subprocess.Popen([sys.executable, "-c", ""])
    died.wait()
    with AnswerCache(tmp_path / "answers.sqlite") as cache:
        held = cache.reserve(request, Cost(60, 0), limit=100, longest_s=100)
        assert cache.reserve(request, Cost(60, 0), limit=100, longest_s=100)[:] == (None, 0, 60)
        base = sqlite3.connect(tmp_path / "answers.sqlite", isolation_level=None)
        base.execute("UPDATE reservations SET process = ?", (died.pid,))
        assert cache.reserve(request, Cost(60, 0), limit=100, longest_s=0).reservation is not None
        time.sleep(0.01)
        assert cache.reserve(request, Cost(60, 0), limit=100, longest_s=100).held == 0, "its time is over"
        base.close()
        assert held.reservation is not None


def test_a_fault_lets_what_is_on_its_way_come_in(server, build):
    def script(n, body):
        if body["messages"][-1]["content"] == "0?":
            while len(server.bodies) < 4:
                time.sleep(0.01)
            return fail(404, "no such thing")
        time.sleep(1)
        return GOOD

    server.script = script
    with pytest.raises(InputError, match="no such thing"):
        list(build(concurrency=4).complete(ask(20)))
    assert len(server.bodies) == 4, "nothing new was asked"
    server.script = lambda n, body: GOOD
    assert len(dict(build(concurrency=4).complete(ask(4)))) == 4
    assert Counter(body["messages"][-1]["content"] for body in server.bodies) == {"0?": 2, "1?": 1, "2?": 1, "3?": 1}


def test_an_answer_that_was_streamed_is_the_same_answer(server, build):
    list(build().complete(ask(1)))
    assert build(stop_early=True).estimate(ask(1)).cached == 1


def test_a_cache_of_the_first_form_is_taken_on(server, build, tmp_path):
    list(build().complete(ask(1)))
    base = sqlite3.connect(tmp_path / "answers.sqlite")
    base.executescript("DROP TABLE reservations; PRAGMA user_version = 1;")
    base.close()
    list(build(budget_tokens=1000).complete(ask(2)))
    assert len(server.bodies) == 2 and count_spent(tmp_path / "answers.sqlite") == 30
