"""A Prefect server for all tests of a file, and a project for each."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runners.projects import Project, make_project
from tests.prefect_server import PrefectServer, running_prefect


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with running_prefect(tmp_path_factory.mktemp("prefect")) as running:
        yield running


@pytest.fixture
def project(server: PrefectServer, tmp_path: Path) -> Iterator[Project]:
    made = make_project(tmp_path, server)
    yield made
    made.stop()


@pytest.fixture
def wait_for() -> Callable[..., None]:
    def wait(condition: Callable[[], Any], limit_s: float = 240, what: Callable[[], str] = lambda: "") -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, what()
            time.sleep(0.2)

    return wait
