import socket

import pytest

from judgeforge.errors import EnvironmentFault
from judgeforge.servers import mask_address
from judgeforge.tracking.runs import flatten_params, status_after
from judgeforge.tracking.store import check_tracking_server, explain, tracking_address


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://ann:s3cret@ml.example:443/team", "https://***@ml.example:443/team"),
        ("postgresql://ann:s3c@ret@db/ml", "postgresql://***@db/ml"),
        ("https://ml.example/?token=s3cret", "https://ml.example/"),
    ],
)
def test_an_address_is_shown_without_credentials(address: str, shown: str) -> None:
    assert mask_address(address) == shown


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert tracking_address() == "sqlite:///mlflow.db"


def test_credentials_do_not_leave_through_an_error_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://ann:s3cret@db/ml")
    error = RuntimeError("no connection to postgresql://ann:s3cret@db/ml: password s3cret refused\n  at line 1")
    assert explain(error) == "no connection to postgresql://***@db/ml: password *** refused"


def test_a_server_that_is_away_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ann:s3cret@127.0.0.1:{port}")
        with pytest.raises(EnvironmentFault) as caught:
            check_tracking_server()
    assert f"http://***@127.0.0.1:{port} does not answer" in caught.value.problem
    assert "MLFLOW_TRACKING_URI" in caught.value.remedy
    assert "s3cret" not in str(caught.value)


def test_a_local_store_needs_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert check_tracking_server() is None


def test_nested_params_become_dotted_names_with_json_values() -> None:
    params = {"method": "lora", "lora": {"rank": 8, "last_layers": None}, "primary": ["a", "b"]}
    assert flatten_params(params) == {
        "method": "lora",
        "lora.rank": "8",
        "lora.last_layers": "null",
        "primary": '["a", "b"]',
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("broken"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(143), "KILLED"),
        (SystemExit(2), "FAILED"),
        (SystemExit(0), "FINISHED"),
    ],
)
def test_a_kill_is_told_from_a_failure(error: BaseException, status: str) -> None:
    assert status_after(error) == status
