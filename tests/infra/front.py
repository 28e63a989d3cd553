"""A server before moto that hands requests on, and plays what moto cannot: faults, slow answers, a dead network."""

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

from rented import find_port

_DROPPED = {"connection", "transfer-encoding", "keep-alive", "content-length"}
Fault = Callable[[str], str | None]
"""Takes a request's body, and returns the code of AWS's error for it, or None."""


class Call(NamedTuple):
    """One request as it came in."""

    method: str
    path: str
    signed: str
    """Its header Authorization, which names the service."""
    body: str


class Front:
    """Listens on a port of loopback.

    Args:
        behind: address of the server that is asked.
    """

    def __init__(self, behind: str) -> None:
        self.behind = urlsplit(behind).netloc
        self.port = find_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.calls: list[Call] = []
        """What was asked, in its order."""
        self.fault: Fault = lambda body: None
        self.instead: Callable[[str], str | None] = lambda body: None
        """Takes a request's body, and returns what is answered in place of the server behind, or None."""
        self.held: str | None = None
        """An action such as ``Action=RunInstances``: done, and not answered until ``released`` is set."""
        self.holding, self.released = threading.Event(), threading.Event()
        self.is_up = False
        self._server: ThreadingHTTPServer | None = None

    def up(self) -> None:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def handle_any(self) -> None:
                front.answer(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.is_up = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def down(self) -> None:
        """Refuse every connection, and break those that are open."""
        self.is_up = False
        if self._server:
            self._server.shutdown()
            self._server.socket.close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if not self.is_up:
            request.close_connection = True
            return
        text = body.decode("latin-1")
        self.calls.append(Call(request.command, request.path, request.headers.get("Authorization", ""), text))
        if code := self.fault(text):
            error = f"<Code>{code}</Code><Message>said by a test</Message>"
            of_ec2 = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>1</RequestID></Response>"
            of_others = f"<ErrorResponse><Error>{error}</Error><RequestId>1</RequestId></ErrorResponse>"
            plain = of_ec2 if "Version=2016-11-15" in text else of_others
            self._send(request, 500 if "Capacity" in code else 400, [("Content-Type", "text/xml")], plain.encode())
            return
        if said := self.instead(text):
            self._send(request, 200, [("Content-Type", "text/xml")], said.encode())
            return
        connection = http.client.HTTPConnection(self.behind, timeout=120)
        connection.request(request.command, request.path, body, dict(request.headers.items()))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if self.held and self.held in text:
            self.holding.set()
            self.released.wait(120)
        if self.is_up:
            self._send(request, answer.status, answer.getheaders(), content)
        else:
            request.close_connection = True

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], content: bytes
    ) -> None:
        with contextlib.suppress(OSError):  # who asked may have been killed meanwhile
            request.send_response(status)
            length = next((value for name, value in headers if name.lower() == "content-length"), None)
            for name, value in headers:
                if name.lower() not in _DROPPED:
                    request.send_header(name, value)
            is_head = request.command == "HEAD"
            request.send_header("Content-Length", (length or "0") if is_head else str(len(content)))
            request.end_headers()
            if not is_head:
                request.wfile.write(content)


@contextlib.contextmanager
def run_front(behind: str) -> Iterator[Front]:
    """Start one, and end it."""
    front = Front(behind)
    front.up()
    try:
        yield front
    finally:
        front.released.set()
        front.down()
