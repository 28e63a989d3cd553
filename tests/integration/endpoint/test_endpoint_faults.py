"""What an endpoint may do to us: what passes is tried again, what stays is told, and nothing is paid for twice."""

import json
import time

import pytest

from judgeforge.engines.endpoint.requests import estimate_tokens
from judgeforge.errors import EnvironmentFault, InputError

from .conftest import KEY, ask, fail, say

GOOD = say("Good. [RESULT] 4")


def test_one_answer_a_question_in_any_order_with_the_key_sent_and_never_kept(server, build, tmp_path):
    def answer(n, body):
        # The first waits for a second: several are on their way at once, however fast the server is.
        deadline = time.monotonic() + 20
        while server.most_at_once < 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        return say(f"Answer to {body['messages'][-1]['content']} [RESULT] 4")

    server.script = answer
    found = dict(build(timeout_s=30).complete(ask(20)))
    assert [found[n].text for n in range(20)] == [f"Answer to {n}? [RESULT] 4" for n in range(20)]
    assert found[3].finish == "verdict" and (found[3].prompt_tokens, found[3].output_tokens) == (10, 5)
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert 1 < server.most_at_once <= 8
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    "fault",
    [
        fail(429),
        fail(429, Retry_After="0.05"),
        fail(500),
        fail(503),
        fail(529),
        (200, {}, b"<html>busy</html>"),
        (200, {}, b"{}"),
        (200, {}, b'{"choices": []}'),
        (200, {}, b""),
        say(""),
        say(None),
        "cut",
        "hang",
    ],
    ids=str,
)
def test_a_passing_fault_is_tried_again_once(server, build, fault):
    server.script = lambda n, body: fault if n == 0 else GOOD
    found = dict(build(timeout_s=2.0 if fault == "hang" else 30.0).complete(ask(2)))
    assert [found[n].text for n in range(2)] == ["Good. [RESULT] 4"] * 2
    assert len(server.bodies) == 4


def test_a_lasting_fault_ends_the_run_after_all_attempts_and_keeps_what_came(server, build):
    server.script = lambda n, body: GOOD if body["messages"][-1]["content"] == "0?" else fail(500, "out of order")
    engine = build(max_attempts=3, concurrency=1)
    answers = engine.complete(ask(2))
    assert next(answers)[0] == 0
    with pytest.raises(EnvironmentFault, match="3 attempts; the last was status 500: out of order"):
        next(answers)
    assert len(server.bodies) == 4
    server.script = lambda n, body: GOOD
    assert len(dict(build().complete(ask(2)))) == 2
    assert len(server.bodies) == 5, "the first answer was kept"


def test_a_longer_wait_than_allowed_is_told_instead_of_slept_through(server, build):
    server.script = lambda n, body: fail(429, Retry_After="3600")
    with pytest.raises(EnvironmentFault, match="asks for a wait of 3600 s"):
        list(build().complete(ask(1)))


def test_an_answer_that_stays_empty_is_the_judges_own(server, build):
    server.script = lambda n, body: say("")
    ((_, completion),) = build(empty_attempts=2).complete(ask(1))
    assert (completion.text, completion.finish) == ("", "end")
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (fail(401), "denies access"),
        (fail(403), "SOME_KEY"),
        (fail(404, "no such model"), "no such model"),
        (fail(400, "unknown field top_k"), "unknown field top_k"),
    ],
)
def test_a_refused_request_is_told_at_once_without_the_key(server, build, fault, words):
    server.script = lambda n, body: fault
    with pytest.raises(InputError, match=words) as caught:
        list(build(concurrency=1).complete(ask(5)))
    assert len(server.bodies) == 1
    assert KEY not in str(caught.value)


def test_too_long_prompts_and_refusals_are_counted_as_such(server, build):
    too_long = fail(400, "This model's maximum context length is 4096 tokens.")
    refused = say("", finish="content_filter")
    server.script = lambda n, body: {"0?": too_long, "1?": refused}.get(body["messages"][-1]["content"], GOOD)
    found = dict(build().complete(ask(3)))
    assert [found[n].finish for n in range(3)] == ["prompt_too_long", "refused", "verdict"]


@pytest.mark.parametrize(
    "message",
    [
        f"BadRequestError: {'x' * 200} This model's maximum context length is 4096 tokens.",
        "the request exceeds the available context size, try increasing it",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "Inputs must have less than 4096 tokens. Given: 5000",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
    ],
)
def test_each_server_says_in_its_own_words_that_a_prompt_is_too_long(server, build, message):
    server.script = lambda n, body: fail(400, message) if n == 0 else GOOD
    ((_, completion),) = build().complete(ask(1))
    assert completion.finish == "prompt_too_long"
    ((_, completion),) = build().complete(ask(1))
    assert completion.finish == "verdict", "a context can be made longer"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"code": "content_filter", "message": "The response was filtered."}),
        (400, {"code": "content_policy_violation", "message": "no"}),
        (400, {"message": "The prompt triggered Azure OpenAI's content management policy."}),
        (400, {"message": "no", "innererror": {"code": "ResponsibleAIPolicyViolation"}}),
        (403, {"code": 403, "message": "some/model requires moderation. Your input was flagged."}),
    ],
)
def test_a_filtered_prompt_is_refused_and_the_others_are_asked(server, build, status, error):
    filtered = status, {}, json.dumps({"error": error}).encode()
    server.script = lambda n, body: filtered if body["messages"][-1]["content"] == "0?" else GOOD
    found = dict(build().complete(ask(2)))
    assert (found[0].finish, found[1].finish) == ("refused", "verdict")
    list(build().complete(ask(1)))
    assert len(server.bodies) == 2


def test_a_server_that_asks_for_no_wait_is_waited_for_all_the_same(server, build):
    times = []
    server.script = lambda n, body: times.append(time.monotonic()) or fail(429, Retry_After="0")
    with pytest.raises(EnvironmentFault, match="3 attempts"):
        list(build(max_attempts=3, first_wait_s=0.2).complete(ask(1)))
    assert times[1] - times[0] >= 0.2 and times[2] - times[1] >= 0.4


def test_nothing_is_paid_for_twice(server, build):
    first = dict(build().complete(ask(6)))
    assert dict(build().complete(ask(6))) == first
    assert len(server.bodies) == 6
    list(build(max_new_tokens=41).complete(ask(1)))
    assert len(server.bodies) == 7, "another limit may give another answer"
    list(build(revision="second").complete(ask(1)))
    assert len(server.bodies) == 8, "so may another model behind the name"


def test_greedy_samples_share_an_answer_and_drawn_ones_do_not(server, build):
    (question,) = ask(1)
    samples = [question.model_copy(update={"sample": n}) for n in range(3)]
    assert len(dict(build().complete(samples))) == 3
    assert len(server.bodies) == 1
    list(build(temperature=1.0, send_seed=True).complete(samples))
    assert len({body["seed"] for body in server.bodies if "seed" in body}) == 3
    assert len(server.bodies) == 4


def test_the_budget_ends_the_run_before_it_is_exceeded(server, build):
    with pytest.raises(InputError, match="The budget of 100 tokens is used up: 60 are spent"):
        list(build(budget_tokens=100, concurrency=1).complete(ask(10)))
    assert len(server.bodies) == 4
    with pytest.raises(InputError, match="budget"):
        list(build(budget_tokens=100, concurrency=4).complete(ask(10)))
    assert len(server.bodies) == 4, "what was spent counts in the next run"


def test_the_estimate_counts_what_the_cache_lacks(server, build):
    prices = {"price_per_million_input": 1e6, "price_per_million_output": 2e6}
    list(build().complete(ask(2)))
    estimate = build(**prices).estimate(ask(5))
    assert (estimate.questions, estimate.cached, estimate.output_tokens) == (5, 2, 3 * 40)
    assert estimate.price == estimate.prompt_tokens + 2 * 120
    assert build().estimate(ask(1)).price is None
    assert "at most 80 answer" in build().estimate(ask(4)).describe("USD")
    assert "at most" not in build(**prices).estimate(ask(4)).describe("USD", redraws=True)


def test_the_estimate_counts_both_requests_of_a_constrained_verdict(server, build):
    options = {"constrained": True, "structured_outputs": True}
    (question,) = ask(1)
    estimate = build(**options).estimate([question])
    server.script = lambda n, body: say(" 4" if "structured_outputs" in body else "word " * 20, finish="length")
    list(build(**options).complete([question]))
    sizes = [sum(len(message["content"]) for message in body["messages"]) / 4 for body in server.bodies]
    assert estimate.prompt_tokens >= sum(sizes)
    assert estimate.output_tokens == sum(body["max_tokens"] for body in server.bodies) == 40
    assert build(**options).estimate([question]).cached == 1


def test_other_scripts_take_a_token_a_character():
    assert estimate_tokens("\u8a55\u4fa1" * 50) == 100
    assert estimate_tokens("words " * 10) == 15


def test_a_closed_iterator_takes_back_what_is_on_its_way(server, build):
    answers = build(concurrency=1).complete(ask(50))
    next(answers)
    answers.close()
    assert len(server.bodies) <= 5


def test_missing_and_damaged_keys_are_told_by_the_name_of_the_variable(build, monkeypatch):
    monkeypatch.delenv("SOME_KEY")
    with pytest.raises(InputError, match=r"SOME_KEY.*is not set"):
        build()
    monkeypatch.setenv("SOME_KEY", f"{KEY}\nx")
    with pytest.raises(InputError) as caught:
        build()
    assert KEY not in str(caught.value)


def test_a_foreign_file_is_no_cache(build, tmp_path):
    (tmp_path / "answers.sqlite").write_text(json.dumps({"not": "sqlite"}) * 100)
    with pytest.raises(InputError, match="is no answer cache"):
        list(build().complete(ask(1)))
