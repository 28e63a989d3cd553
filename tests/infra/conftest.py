"""Every test below needs .venv-infra and carries the marker ``infra``; moto runs once for each test process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rented import Moto, Site, require_infra, run_moto
from terraformed import copy_infra

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.infra)


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    require_infra()
    with run_moto(tmp_path_factory.mktemp("moto") / "moto.log") as moto:
        yield moto


@pytest.fixture
def moto(moto_server: Moto) -> Moto:
    moto_server.reset()
    return moto_server


@pytest.fixture
def site(moto: Moto) -> Site:
    return Site(moto)


@pytest.fixture
def infra(tmp_path: Path, moto: Moto) -> Path:
    return copy_infra(tmp_path / "terraform", moto)
