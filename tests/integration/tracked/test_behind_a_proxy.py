"""Servers as infra/compose sets them up, asked as a proxy asks them: by the name under which people know them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.compose_values import COMPOSE, build_environment
from tests.integration.tracked.servers import Server

pytestmark = pytest.mark.slow

NAME, ORIGIN = "mlflow.example.org", "https://mlflow.example.org"
SEARCH = "/ajax-api/2.0/mlflow/experiments/search"


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], Server]]:
    """Start MLflow with what the compose file makes of .env."""
    server = Server(tmp_path)

    def run(values: dict[str, str]) -> Server:
        server.stop()
        for name, value in build_environment("mlflow", values).items():
            if name.startswith("MLFLOW_SERVER_"):
                monkeypatch.setenv(name, value)
        server.start()
        return server

    yield run
    server.stop()


def load_examples() -> dict[str, str]:
    """Return the values that .env.example shows."""
    lines = (COMPOSE / ".env.example").read_text().splitlines()
    shown = [line.removeprefix("#").partition("=") for line in lines if line.startswith("#") and "example.org" in line]
    return {name: value for name, _, value in shown if "_SERVER_" in name}


def ask(server: Server, host: str, origin: str) -> list[int]:
    """Return the codes of reading a page, and of what it sends as a script of that origin."""
    read = httpx.get(f"{server.address}/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"Host": host})
    headers = {"Host": host, "Origin": origin}
    sent = httpx.post(f"{server.address}{SEARCH}", json={"max_results": 1}, headers=headers)
    return [read.status_code, sent.status_code]


def test_mlflow_answers_to_its_name_once_it_is_set_and_to_no_other(start: Callable[[dict[str, str]], Server]) -> None:
    local = f"127.0.0.1:{(server := start({})).port}"
    assert ask(server, local, f"http://{local}") == [200, 200]
    assert ask(server, NAME, ORIGIN) == [403, 403]
    assert ask(server, local, ORIGIN) == [200, 403]
    assert len(load_examples()) == 3
    server = start(load_examples())
    assert ask(server, local, f"http://{local}") == [200, 200]
    assert ask(server, NAME, ORIGIN) == [200, 200]
    assert ask(server, "evil.example.com", "https://evil.example.com") == [403, 403]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [({}, "http://127.0.0.1:4200/api"), (load_examples(), "https://prefect.example.org/api")],
    ids=["as it is", "as the example"],
)
def test_prefect_tells_browsers_the_address_that_is_set(values: dict[str, str], wanted: str) -> None:
    name = "PREFECT_SERVER_UI_API_URL"
    environment = os.environ | {name: build_environment("prefect", values)[name]}
    code = "from prefect.settings import PREFECT_UI_API_URL as it; print(it.value())"  # as in /ui-settings
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [wanted]
