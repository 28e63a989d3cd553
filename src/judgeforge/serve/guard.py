"""What every request passes before the application sees it: count, token, size of the body."""

import asyncio
import contextlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from judgeforge.serve.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_TO_ALL = ("/health/live", "/health/ready")
_ELSEWHERE = "other"
RETRY_AFTER_S = 2
_HUNG_UP = 499
"""Counted where the client went away; nginx's number."""


class Guard:
    """An ASGI application around another.

    Args:
        app: gets the requests that pass, their bodies whole.
        routes: paths that are counted by their names.
        tokens: one of them has to come as a bearer; none: everybody may, but for web pages.
        max_body_bytes: of a request.
        metrics: counts.
    """

    def __init__(
        self, app: Application, *, routes: set[str], tokens: tuple[bytes, ...], max_body_bytes: int, metrics: Metrics
    ) -> None:
        self._app, self._routes, self._tokens, self._metrics = app, routes, tokens, metrics
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status = time.monotonic(), _HUNG_UP
        route = scope["path"] if scope["path"] in self._routes else _ELSEWHERE

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._pass(scope, receive, counted)
        except asyncio.CancelledError:
            # By uvicorn alone: the time to finish at the end is over.
            if status == _HUNG_UP:
                await _refuse(counted, 503, "The service ends. Send it again later.")
        finally:
            self._metrics.count_request(route, status, time.monotonic() - began)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if scope["path"] not in OPEN_TO_ALL and not self._is_known(headers.get(b"authorization", b"")):
            return await _refuse(send, 401, "A valid token is missing. Send it as 'Authorization: Bearer TOKEN'.")
        if not self._tokens and b"origin" in headers:
            # Any page that a browser on this machine shows could send it.
            return await _refuse(send, 403, "Web pages may use the judge only where tokens are set.")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self._max_body_bytes:
            return await self._refuse_size(send)
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max_body_bytes:
                return await self._refuse_size(send)
        return await self._run(scope, bytes(body), receive, send)

    async def _run(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Run the application until it has answered, or the client is gone: then nobody waits for the answer."""
        leaving = asyncio.create_task(_wait_until_over(receive))
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            if messages:
                return messages.pop()
            await asyncio.shield(leaving)
            return {"type": "http.disconnect"}

        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        running = asyncio.ensure_future(self._app(scope, replay, noted))
        try:
            await asyncio.wait((running, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not (running.done() or started):
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
                return
            await running
        finally:
            running.cancel()
            leaving.cancel()

    async def _refuse_size(self, send: Send) -> None:
        await _refuse(send, 413, f"The request is longer than {self._max_body_bytes} bytes. Shorten its texts.")

    def _is_known(self, header: bytes) -> bool:
        if not self._tokens:
            return True
        scheme, _, token = header.partition(b" ")
        # All are compared, each in constant time: how long it takes says nothing.
        matches = [hmac.compare_digest(token.strip(), known) for known in self._tokens]
        return scheme.lower() == b"bearer" and any(matches)


async def _wait_until_over(receive: Receive) -> None:
    """Wait until the answer was given, or the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 503:
        headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
