"""A retraining that ends cancels its stages, also where the server fails just then."""

import contextvars
import http.client
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from judgeforge.errors import EnvironmentFault
from judgeforge.params import load_params
from tests.prefect_server import PrefectServer

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


class Front:
    """Hands requests on to a server, and fails as often as it is told to where a run's state is asked or set.

    Args:
        behind: address of the server's API.
    """

    def __init__(self, behind: str) -> None:
        self.behind, self.failures, self.asked = urlsplit(behind), 0, 0
        front = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                front.answer(self)

            do_GET = do_POST = do_PATCH = answer  # noqa: N815 - http.server's names

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/api"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if "/flow_runs/" in request.path and "filter" not in request.path:
            self.asked += 1
            if self.failures > 0:
                self.failures -= 1
                request.send_error(500)
                return
        connection = http.client.HTTPConnection(self.behind.netloc, timeout=60)
        connection.request(request.command, request.path, body, dict(request.headers.items()))
        answer = connection.getresponse()
        content = answer.read()
        request.send_response(answer.status)
        for name in ("Content-Type", "Content-Encoding"):
            if value := answer.getheader(name):
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
        connection.close()


@pytest.fixture
def front(server: PrefectServer, deployment: None) -> Iterator[Front]:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    found = Front(server.address)
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with temporary_settings({PREFECT_API_URL: found.address}):
            yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
        thread.join()


def test_a_server_that_fails_just_then_is_asked_again(
    front: Front, wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import StateType

    from flows.commands import ending_commands
    from flows.remote import running
    from flows.remote.handing import ENDED_TAG
    from flows.remote.running import Order, run_remotely
    from flows.remote.snapshot import Snapshot

    monkeypatch.setattr(running, "_CANCEL_S", 1.0)
    order = Order(load_params(ROOT / "params.yaml"), {}, None)
    snapshot = Snapshot(commit="a" * 40, files={})

    caught: list[Exception] = []

    def run() -> None:
        try:
            run_remotely("train@direct", snapshot, order, logging.getLogger("test"))
        except Exception as error:
            caught.append(error)

    stage = threading.Thread(target=contextvars.copy_context().run, args=(run,))  # with the settings
    with ending_commands():
        stage.start()
        wait_for(lambda: front.asked >= 3 or caught, 60, lambda: str(caught))
        with pytest.raises(RuntimeError), ending_commands():
            front.failures = 4
            raise RuntimeError
        stage.join(60)
    assert [type(error) for error in caught] == [EnvironmentFault], "the flow is ending"
    assert front.failures == 0
    with get_client(sync_client=True) as client:
        (found,) = [run for run in client.read_flow_runs() if run.name.startswith("train@direct-")]
    assert found.state is not None
    assert found.state.type == StateType.CANCELLED  # at once, as no worker had taken it
    assert ENDED_TAG in found.tags
