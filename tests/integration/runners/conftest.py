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
def deployment(server: PrefectServer) -> Iterator[None]:
    """The pool and the deployment of stages, with nobody who would run one, and the settings that lead there."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: server.address}):
        with get_client(sync_client=True) as client:
            client.create_work_pool(WorkPoolCreate(name="judgeforge-gpu", type="process"), overwrite=True)
            flow = client.create_flow_from_name("reproduce")
            client.create_deployment(flow, "judgeforge-gpu", work_pool_name="judgeforge-gpu")
        yield


@pytest.fixture
def wait_for() -> Callable[..., None]:
    def wait(condition: Callable[[], Any], limit_s: float = 240, what: Callable[[], str] = lambda: "") -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, what()
            time.sleep(0.2)

    return wait
