"""What may go wrong between a teacher and its rows: each is answered once, or dropped for a reason that is counted."""

import sqlite3
import threading
import time
from collections import Counter

import pytest

from judgeforge.errors import EnvironmentFault, InputError
from tests.integration.endpoint.conftest import fail, say

from .conftest import find_number, make_pairs, teach, tell


def test_each_fault_costs_what_it_must_and_nothing_more(servers, build):
    passing = {
        1: fail(429, Retry_After="0.05"),
        2: fail(500),
        3: "hang",
        4: "cut",
        5: (200, {}, b'{"choices": [{"message": {"content": "Both'),
        6: fail(429),
    }
    cut_off = say("Both. [RESULT] A", finish="length")

    def answer(n, body):
        number = find_number(body)
        if number in passing and n == 0:
            return passing[number]
        if number in (7, 8) and n < 2:
            return say({7: tell(body, right=False), 8: "No idea."}[number])
        lasting = {9: say(tell(body, right=False)), 10: fail(400, "maximum context length is 10"), 12: cut_off}
        lasting |= {11: say("", finish="content_filter"), 13: say(f"I quote [RESULT] and so on. {tell(body)}")}
        lasting |= {14: fail(500)}
        return lasting.get(number) or say(tell(body))

    server = servers()
    server.script = answer
    pairs = make_pairs(20)
    texts, counts = teach(build(server), "pairwise", pairs[:9], pairs[9:9], pairs[9:])
    assert [n for n, text in enumerate(texts) if text] == [*range(9), *range(15, 20)]
    assert texts[7] == "Both speak, but 7 differs.", "the closing marker is no part of it"
    assert counts["dropped_for"] == {
        "disagreed": 1,
        "no_answer": 1,
        "prompt_too_long": 1,
        "refused": 1,
        "unparsable": 2,
    }
    assert (counts["rows"], counts["written"], counts["dropped"]) == (20, 14, 6)
    assert counts["answers"] == {
        "agreed": 14,
        "disagreed": 2 + 3,
        "prompt_too_long": 1,
        "refused": 3,
        "unparsable": 2 + 3 + 3,
    }
    asked = Counter(map(find_number, server.bodies))
    more = {7: 3, 8: 3, 9: 3, 11: 3, 12: 3, 13: 3, 14: 6}
    assert {number for number, count in asked.items() if count == 1} == {0, 10, *range(15, 20)}
    assert {number: asked[number] for number in more} == more and min(asked[number] for number in passing) >= 2


def test_a_second_run_asks_nothing_but_what_had_no_answer(servers, build):
    server = servers()
    server.script = lambda n, body: fail(500) if find_number(body) == 3 else say(tell(body, right=n > 0))
    first, _ = teach(build(server), "pairwise", make_pairs(6))
    server.bodies.clear()
    server.script = lambda n, body: say(tell(body))
    again, counts = teach(build(server), "pairwise", make_pairs(6))
    assert [find_number(body) for body in server.bodies] == [3]
    assert counts["answers"] == {"agreed": 6, "disagreed": 5}
    assert again[:3] + again[4:] == first[:3] + first[4:] and (first[3], again[3][:4]) == (None, "Both")
    teach(build(server, seed=2), "pairwise", make_pairs(2))
    assert len(server.bodies) == 1 + 2


def test_equal_rows_are_answered_once(servers, build):
    server = servers()
    server.script = lambda n, body: time.sleep(0.05) or say(tell(body))
    texts, counts = teach(build(server), "pairwise", *[make_pairs(1)] * 3)
    assert texts == ["Both speak, but 0 differs."] * 3 and counts["written"] == 3
    assert len(server.bodies) == 1


def test_one_of_two_servers_dies_and_the_run_goes_on(servers, build):
    dying, living = servers(), servers()

    def answer(n, body):
        if len(dying.bodies) > 6:
            threading.Thread(target=dying.close).start()
            return "cut"
        return say(tell(body))

    dying.script = answer
    living.script = lambda n, body: time.sleep(0.01) or say(tell(body))
    texts, counts = teach(build(dying, living), "pairwise", make_pairs(60))
    assert all(texts) and counts["answers"] == {"agreed": 60}
    assert len(dying.bodies) >= 7 and len(living.bodies) >= 60 - 6 - 4


def test_a_server_that_comes_back_is_taken_in_again(servers, build):
    broken, living = servers(), servers()
    broken.script = lambda n, body: fail(503) if len(broken.bodies) <= 4 else say(tell(body))
    living.script = lambda n, body: time.sleep(0.02) or say(tell(body))
    _, counts = teach(build(broken, living, settings={"concurrency": 2}), "pairwise", make_pairs(80))
    assert counts["answers"] == {"agreed": 80}
    assert len(broken.bodies) > 10, "it answered again"


def test_requests_go_where_the_fewest_are_on_their_way(servers, build):
    slow, fast = servers(), servers()
    slow.script = lambda n, body: time.sleep(0.3) or say(tell(body))
    fast.script = lambda n, body: time.sleep(0.01) or say(tell(body))
    teach(build(slow, fast), "pairwise", make_pairs(60))
    assert 4 <= len(slow.bodies) < len(fast.bodies) and len(slow.bodies) + len(fast.bodies) == 60
    assert slow.most_at_once <= 4 and fast.most_at_once <= 4


def test_when_no_server_lives_the_run_ends_and_says_why_for_each(servers, build):
    first, second = servers(), servers()
    first.script = second.script = lambda n, body: fail(503) if find_number(body) > 2 else say(tell(body))
    with pytest.raises(EnvironmentFault, match=r"None of 2 endpoints .*503: no; .*503: no"):
        teach(build(first, second, settings={"max_attempts": 3}), "pairwise", make_pairs(40))
    asked = len(first.bodies) + len(second.bodies)
    first.script = second.script = lambda n, body: say(tell(body))
    teach(build(first, second), "pairwise", make_pairs(40))
    assert len(first.bodies) + len(second.bodies) == asked + 37, "the three that came were kept"


def test_a_wait_that_is_too_long_leaves_an_endpoint_out_and_ends_the_run_of_the_last(servers, build):
    busy, living = servers(), servers()
    busy.script = lambda n, body: fail(429, Retry_After="3600")
    living.script = lambda n, body: say(tell(body))
    assert all(teach(build(busy, living), "pairwise", make_pairs(20))[0])
    assert len(busy.bodies) <= 4
    with pytest.raises(EnvironmentFault, match="429"):
        teach(build(busy), "pairwise", make_pairs(30))


def test_answers_on_their_way_are_kept_when_the_run_ends(servers, build, tmp_path):
    server = servers()
    arrived = threading.Barrier(4)

    def answer(n, body):
        arrived.wait(10)
        if find_number(body) == 0:
            return fail(401)
        time.sleep(0.3)
        return say(tell(body))

    server.script = answer
    with pytest.raises(InputError, match="denies access"):
        teach(build(server, settings={"timeout_s": 20}), "pairwise", make_pairs(4))
    with sqlite3.connect(tmp_path / "answers.sqlite") as base:
        assert base.execute("SELECT count(*) FROM answers").fetchone() == (3,)


def test_a_refused_request_ends_the_run_unless_others_were_answered(servers, build):
    server = servers()
    server.script = lambda n, body: fail(400, "odd") if find_number(body) in (0, 5) else say(tell(body))
    with pytest.raises(InputError, match="odd"):
        teach(build(server, settings={"concurrency": 1}), "pairwise", make_pairs(8))
    _, counts = teach(build(server, settings={"concurrency": 1}), "pairwise", make_pairs(8)[1:])
    assert counts["dropped_for"] == {"refused": 1}
