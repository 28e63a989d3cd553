"""Which failures of a store are worth another attempt, and how a person hears of those that are not."""

import errno
from pathlib import Path
from typing import Any

import pytest
import requests

from judgeforge.errors import EnvironmentFault
from judgeforge.promote import stores


class Store:
    """Stands in for a repository of MLflow's: fails as it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def log_artifact(self, path: str, folder: str) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)


def answer(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"HTTP {status}", response=response)


@pytest.fixture
def send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(stores, "_LONGEST_WAIT_S", 0)
    monkeypatch.setattr(stores, "_ATTEMPTS", 3)
    (tmp_path / "file").write_bytes(b"abc")
    return lambda store: stores.send_file(store, tmp_path / "file", "judge")


@pytest.mark.parametrize("error", [answer(503), answer(429), requests.ConnectionError("reset")])
def test_what_may_pass_is_tried_again_and_told(send: Any, error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(error, error)
    send(store)
    assert store.calls == 3
    assert "file broke off, once more in 0 s (attempt 2 of 3)" in capsys.readouterr().err.replace("\n", " ")


def test_what_does_not_pass_in_the_end_is_a_fault_of_the_environment(send: Any) -> None:
    store = Store(*[answer(500)] * 3)
    with pytest.raises(EnvironmentFault, match=r"file broke off 3 times: HTTP 500\."):
        send(store)
    assert store.calls == 3


def test_a_proxys_limit_and_a_full_disk_are_said_at_once(send: Any) -> None:
    for error, said in ((answer(413), "takes no request as large as file"), (OSError(errno.ENOSPC, ""), "No room")):
        store = Store(error)
        with pytest.raises(EnvironmentFault, match=said):
            send(store)
        assert store.calls == 1


def test_a_refusal_is_not_tried_again(send: Any) -> None:
    store = Store(answer(403))
    with pytest.raises(requests.HTTPError):
        send(store)
    assert store.calls == 1
