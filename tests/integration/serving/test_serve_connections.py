"""Connections that want to stay: uvicorn with our protocol and guard, on loopback, before a very small application."""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from judgeforge.serve.deadlines import build_protocol
from judgeforge.serve.guard import Guard
from judgeforge.serve.metrics import Metrics

TOKEN = b"a-token-of-the-test"
KNOWN = b"Host: x\r\nAuthorization: Bearer " + TOKEN + b"\r\n"
LIMIT_S = 0.5
LONG = b"x" * 200_000


class Listener:
    """The service's outer parts, with short limits."""

    def __init__(self, tokens: tuple[bytes, ...] = (TOKEN,)) -> None:
        self.cancelled = threading.Event()
        self.metrics = Metrics()
        guard = Guard(self._answer, routes={"/long", "/never"}, tokens=tokens, max_body_bytes=100, metrics=self.metrics)
        protocol = build_protocol(LIMIT_S, self.metrics.count_cut)
        config = uvicorn.Config(
            guard,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=1,
            limit_concurrency=5,
            timeout_graceful_shutdown=1,
        )
        self.server = uvicorn.Server(config)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve(sockets=[self.listening])))
        self.thread.start()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/never":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        length = (b"content-length", str(len(LONG)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": LONG})

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()

    def connect(self, *sent: bytes) -> socket.socket:
        connection = socket.create_connection(self.address, timeout=10)
        connection.sendall(b"".join(sent))
        return connection

    def count_open(self) -> int:
        return len(self.server.server_state.connections)

    def wait_until_closed(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.count_open():
            assert time.monotonic() < deadline, "it is still held"
            time.sleep(0.02)


@pytest.fixture
def listener() -> Iterator[Listener]:
    running = Listener()
    yield running
    running.stop()


def read_refusal(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"}"):
        received += connection.recv(4096)
    return received


def read_all(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            received += piece
    return received


def test_who_was_refused_before_the_body_and_then_sends_it_does_not_stay_for_ever(listener):
    with listener.connect(b"POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n") as connection:
        assert b"401" in read_refusal(connection)
        connection.sendall(b"x")
        listener.wait_until_closed(4)


def test_who_was_refused_may_go_on_with_another_request(listener):
    refused = b"POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
    with listener.connect(refused) as connection:
        assert b"401" in read_refusal(connection)
        time.sleep(LIMIT_S / 2)
        connection.sendall(b"abcGET /long HTTP/1.1\r\n" + KNOWN + b"Connection: close\r\n\r\n")
        assert read_all(connection).endswith(LONG)


def test_who_does_not_read_the_answers_is_cut_off(listener):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with connection:
        connection.connect(listener.address)
        connection.sendall((b"GET /long HTTP/1.1\r\n" + KNOWN + b"\r\n") * 40)
        time.sleep(LIMIT_S / 2)
        assert listener.count_open() == 1
        listener.wait_until_closed(5)
    assert b"judgeforge_connections_cut_total 1.0" in listener.metrics.render()


def test_an_answer_that_is_read_slowly_but_read_is_not_cut(listener):
    with listener.connect(b"GET /long HTTP/1.1\r\n", KNOWN, b"Connection: close\r\n\r\n") as connection:
        received = b""
        while piece := connection.recv(8192):
            received += piece
            time.sleep(0.005)
    assert received.endswith(LONG)


def test_nonsense_after_a_refusal_fills_no_log(listener, caplog):
    with caplog.at_level(logging.ERROR):
        head = b"POST /long HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        with listener.connect(head) as connection:
            assert b"401" in read_refusal(connection)
            connection.sendall(b"no chunk\r\n")
            assert read_all(connection) == b""
        listener.wait_until_closed(2)
    assert caplog.records == []


def test_what_nobody_waits_for_is_not_answered(listener):
    with listener.connect(b"GET /never HTTP/1.1\r\n", KNOWN, b"\r\n"):
        time.sleep(0.2)
        assert not listener.cancelled.is_set()
    assert listener.cancelled.wait(2)
    deadline = time.monotonic() + 2
    while b'judgeforge_requests_total{route="/never",status="499"} 1.0' not in listener.metrics.render():
        assert time.monotonic() < deadline


def test_what_is_broken_off_at_the_end_is_told_to_try_again(listener, caplog):
    with listener.connect(b"GET /never HTTP/1.1\r\n", KNOWN, b"\r\n") as connection, caplog.at_level(logging.ERROR):
        time.sleep(0.2)
        listener.stop()
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 503") and b"retry-after" in answer.lower()
    assert not any(record.exc_info for record in caplog.records), "no traceback for each"


def test_requests_sent_ahead_are_answered_in_their_order(listener):
    ahead = b"GET /long HTTP/1.1\r\n" + KNOWN + b"\r\n" + b"GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n"
    with listener.connect(ahead, b"GET /long HTTP/1.1\r\n", KNOWN, b"Connection: close\r\n\r\n") as connection:
        answers = read_all(connection).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"401", b"200"]


def test_connections_beyond_twice_the_limit_are_not_held(listener):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(listener.connect())
        time.sleep(LIMIT_S / 4)
        assert listener.count_open() == 10
    listener.wait_until_closed(4)
    with listener.connect(b"GET /long HTTP/1.1\r\n", KNOWN, b"Connection: close\r\n\r\n") as connection:
        assert read_all(connection).endswith(LONG)


def test_without_tokens_no_web_page_gets_in():
    open_to_all = Listener(())
    try:
        sent = b"POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n"
        with open_to_all.connect(sent, b"\r\n") as connection:
            assert read_all(connection).endswith(LONG)
        with open_to_all.connect(sent, b"Origin: http://elsewhere.example\r\n\r\n") as connection:
            assert read_all(connection).startswith(b"HTTP/1.1 403")
    finally:
        open_to_all.stop()
