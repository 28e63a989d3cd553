"""Deaths, changes, floods and the end: what was asked is answered, or told when it may be asked again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from judgeforge.errors import InputError
from judgeforge.serve.settings import check_address, load_tokens
from tests.integration.serving.conftest import TOKENS, read_load

LONG = {"constrained": False, "max_new_tokens": 1500, "batch_size": 2}
"""A random judge goes on to the limit: an answer takes seconds."""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_worker_and_a_changed_judge_lose_no_request(service):
    restarts = service.read_metric("judgeforge_worker_restarts_total")
    changes = service.read_metric("judgeforge_changes_total")
    load = service.start_load(300, 6)
    service.wait_for(lambda: service.read_metric("judgeforge_batch_size_count") > 0)
    service.kill_worker()
    service.wait_for(lambda: service.read_metric("judgeforge_worker_restarts_total") == restarts + 1)
    service.wait_for(lambda: service.find_worker() is not None)
    old = service.find_worker()
    assert service.client.post("/admin/reload").json() == {"status": "started", "model_version": "judge"}
    service.wait_for(lambda: service.read_metric("judgeforge_changes_total") == changes + 1)
    answers = read_load(load)
    assert [status for status, _, _ in answers] == [200] * 300
    assert service.find_worker() != old
    service.wait_for(lambda: not is_alive(old))


def test_a_worker_that_hangs_is_killed_and_its_items_are_asked_again(service):
    restarts = service.read_metric("judgeforge_worker_restarts_total")
    service.kill_worker(signal.SIGSTOP)
    assert service.grade(response="to one that hangs").status_code == 200
    assert service.read_metric("judgeforge_worker_restarts_total") == restarts + 1


@pytest.mark.slow
def test_a_judge_that_cannot_be_loaded_changes_nothing(start):
    service = start()
    config = service.log.parent / "judge" / "config.json"
    content = config.read_text()
    config.write_text("{")
    os.kill(service.process.pid, signal.SIGHUP)
    service.wait_for(lambda: "still judge judge" in service.log.read_text())
    assert service.grade().status_code == 200
    assert 'judgeforge_changes_total{outcome="failed"} 1.0' in service.client.get("/metrics").text
    service.kill_worker()
    service.wait_for(lambda: "no worker" in service.log.read_text())
    assert httpx.get(f"{service.address}/health/ready").status_code == 503
    assert httpx.get(f"{service.address}/health/live").status_code == 200
    config.write_text(content)
    assert service.grade().status_code == 200, "it is tried again until the judge can be loaded"


@pytest.mark.slow
def test_one_at_a_time_ends_the_old_judge_first_and_loses_nothing(start):
    service = start("--one-at-a-time")
    old = service.find_worker()
    load = service.start_load(60, 3)
    assert service.client.post("/admin/reload").status_code == 202
    service.wait_for(lambda: service.find_worker() not in (old, None))
    assert not is_alive(old)
    assert [status for status, _, _ in read_load(load)] == [200] * 60


def test_floods_are_refused_and_late_answers_given_up(start):
    service = start("--max-queue", "3", "--timeout-s", "5", batch_size=2)
    worker = service.find_worker()
    os.kill(worker, signal.SIGSTOP)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: service.grade(response=str(n)), range(20)))
    statuses = [answer.status_code for answer in answers]
    # Of batches of two, the worker has one in hand and one ahead; three wait.
    assert sorted(statuses) == [503] * 13 + [504] * 7
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert int(refused.headers["retry-after"]) > 0
    assert service.read_metric("judgeforge_queue_length") == 0
    os.kill(worker, signal.SIGCONT)
    assert service.grade().status_code == 200
    service.wait_for(lambda: service.read_metric("judgeforge_items_sent") == 0)
    assert service.read_metric("judgeforge_worker_restarts_total") == 0


def test_more_connections_than_may_be_open_are_refused(start):
    service = start("--max-connections", "10")
    idle = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(12)]
    with httpx.Client(base_url=service.address) as client:
        assert client.get("/health/live").status_code == 503
        for each in idle:
            each.close()
        service.wait_for(lambda: client.get("/health/live").status_code == 200)


def test_sigterm_finishes_what_is_under_way_and_ends_with_0(start):
    service = start(**LONG)
    worker = service.find_worker()
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(service.grade, response=str(n)) for n in range(6)]
        service.wait_for(lambda: service.read_metric("judgeforge_items_sent") > 0)
        time.sleep(0.5)
        assert service.end() == 0
        assert [answer.result().status_code for answer in answers] == [200] * 6
    assert not is_alive(worker)
    with pytest.raises(httpx.ConnectError):
        service.client.get("/health/live")


def test_a_service_that_is_killed_leaves_no_worker(start):
    service = start()
    worker = service.find_worker()
    service.process.kill()
    service.process.wait()
    deadline = time.monotonic() + 30
    while is_alive(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_what_kills_every_worker_is_given_up_and_others_are_answered(start):
    service = start("--timeout-s", "500", **LONG | {"max_new_tokens": 2900})
    service.client.timeout = 600
    with ThreadPoolExecutor(1) as pool:
        deadly = pool.submit(service.grade, response="kills")
        for _ in range(4):
            service.wait_for(lambda: service.find_worker() is not None)
            service.wait_for(lambda: service.read_metric("judgeforge_items_sent") > 0)
            service.kill_worker()
            service.wait_for(lambda: service.find_worker() is None)
        assert deadly.result().status_code == 503
    assert service.grade().status_code == 200


@pytest.mark.slow
def test_two_minutes_of_load_through_swaps_kills_and_abuse(service):
    """No request of a second process is lost while judges change, workers die, and others misbehave."""
    count, seconds = 1200, 120.0
    names = ("judgeforge_worker_restarts_total", "judgeforge_changes_total")
    before = [service.read_metric(name) for name in names]
    load = service.start_load(count, seconds)
    ends = time.monotonic() + seconds
    round_ = 0
    while time.monotonic() < ends - 20:
        round_ += 1
        slow = socket.create_connection(("127.0.0.1", service.port))
        slow.sendall(b"POST /grade/direct HTTP/1.1\r\nX:")
        assert service.grade(response="x" * 30000).status_code == 413
        assert service.client.post("/grade/direct", content=b"{").status_code in (400, 422)
        assert httpx.post(f"{service.address}/grade/direct", json={}).status_code == 401
        if round_ % 2:
            service.kill_worker()
        else:
            service.client.post("/admin/reload")
        time.sleep(10)
        assert b"408" in slow.recv(4096)
        slow.close()
    answers = read_load(load)
    assert round_ >= 4
    died, changed = (service.read_metric(name) - old for name, old in zip(names, before, strict=True))
    print(f"{count} sent over {seconds:g} s, {died:g} workers died, {changed:g} changes of the judge")
    assert died >= 2 and changed >= 1
    assert [status for status, _, _ in answers] == [200] * count, json.dumps([row for row in answers if row[0] != 200])


def test_what_cannot_be_served_is_said_at_once(place, service):
    def serve(*options: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "judgeforge.cli", "serve", *options]
        variables = os.environ | {"JUDGEFORGE_SERVE_TOKENS": ""}
        done = subprocess.run(command, cwd=place, env=variables, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    code, errors = serve("--model", "judge", "--host", "0.0.0.0")  # noqa: S104
    assert code == 2 and "there is no token" in errors
    code, errors = serve("--model", "judge", "--port", str(service.port))
    assert code == 75 and f"Cannot listen on 127.0.0.1, port {service.port}" in errors
    code, errors = serve("--model", "nowhere", "--port", "0")
    assert code == 2 and "There is no judge in " in errors


def test_beyond_loopback_a_token_is_needed(monkeypatch):
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        check_address(host, ())
    for host in ("0.0.0.0", "::", "192.168.0.1", "example.org"):  # noqa: S104
        with pytest.raises(InputError, match="JUDGEFORGE_SERVE_TOKENS"):
            check_address(host, ())
        check_address(host, (TOKENS[0].encode(),))
    monkeypatch.setenv("JUDGEFORGE_SERVE_TOKENS", f" {TOKENS[0]}, ,{TOKENS[1]} ")
    assert load_tokens() == tuple(token.encode() for token in TOKENS)
    for bad in ("short", "é" * 20, "with a blank, in its middle"):
        monkeypatch.setenv("JUDGEFORGE_SERVE_TOKENS", bad)
        with pytest.raises(InputError, match="openssl"):
            load_tokens()
