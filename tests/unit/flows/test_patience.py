"""A server that fails now and then is asked again: over real HTTP, by Prefect's own client."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import prefect
import pytest
from machine_settings import build_settings, build_site
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.commands import ending_commands
from flows.raising import find_raiser
from flows.remote import patience
from flows.remote.patience import ask_patiently
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.params import load_params

ROOT = Path(__file__).resolve().parents[3]


class Failing:
    """A server that answers every question by an empty list.

    Args:
        address: of its API.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.failures = 0
        """How many questions from now on get 500 instead."""
        self.asked: list[str] = []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Failing]:
    found = Failing("")

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            if path.endswith(("/admin/version", "/csrf-token")):  # what every client asks before its question
                self.say(*((200, prefect.__version__) if path.endswith("version") else (404, None)))
                return
            found.asked.append(self.path)
            is_failing = found.failures > 0
            found.failures -= is_failing
            self.say(500 if is_failing else 200, [])

        def say(self, status: int, content: Any) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        do_GET = do_POST = answer  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    found.address = f"http://127.0.0.1:{served.server_address[1]}/api"
    monkeypatch.setattr(patience, "_PAUSE_S", 0.05)
    try:
        with temporary_settings({PREFECT_API_URL: found.address}):
            yield found
    finally:
        served.shutdown()
        served.server_close()
        thread.join()


@pytest.fixture
def stopping() -> Iterator[None]:
    """A flow that ends: what it starts from now on is refused."""
    with pytest.raises(RuntimeError), ending_commands():
        raise RuntimeError
    yield
    with ending_commands():
        pass


def ask(client: SyncPrefectClient) -> Any:
    return client.request("GET", "/flow_runs/count").json()


def test_a_server_that_fails_twice_is_asked_a_third_time(server: Failing) -> None:
    server.failures = 2
    assert ask_patiently(ask) == []
    assert len(server.asked) == 3


@pytest.mark.usefixtures("stopping")
def test_while_the_flow_ends_only_what_ends_its_stages_is_asked_again(server: Failing) -> None:
    server.failures = 2
    with pytest.raises(EnvironmentFault, match="stays away"):
        ask_patiently(ask)
    assert len(server.asked) == 1
    server.failures = 2
    assert ask_patiently(ask, 10, even_stopping=True) == []


@pytest.mark.usefixtures("stopping")
def test_what_ends_stages_is_not_asked_for_longer_than_it_may_take(server: Failing) -> None:
    server.failures = 1000
    with pytest.raises(EnvironmentFault, match="stays away"):
        ask_patiently(ask, 0.3, even_stopping=True)


@pytest.fixture
def _machines_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the site's file, as a flow that raises machines needs it."""
    monkeypatch.chdir(tmp_path)
    site = build_site()
    (tmp_path / "site.json").write_text(site.model_dump_json())
    monkeypatch.setenv("JUDGEFORGE_SITE", str(tmp_path / "site.json"))


@pytest.mark.usefixtures("_machines_settings")
def test_a_server_that_restarts_while_machines_are_asked_for_is_waited_for(server: Failing) -> None:
    params = load_params(ROOT / "params.yaml").model_copy(update={"runner": build_settings(max_usd=0.01)})
    raise_machines = find_raiser(params, {"train@direct": set()}, build_site().remote_url)
    assert raise_machines is not None
    server.failures = 2
    with pytest.raises(InputError, match="the budget"), raise_machines(1):  # what is checked next
        pass
    workers = [path for path in server.asked if path.endswith("work_pools/judgeforge-gpu/workers/filter")]
    assert server.asked == [*workers[:3], "/api/flow_runs/filter"]  # how long it took the last time
