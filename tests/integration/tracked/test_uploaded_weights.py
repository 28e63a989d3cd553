"""Weights in MLflow's store: sent from where they lie, whole or not registered, checked when they are loaded."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.promote import stores
from judgeforge.promote.deleting import delete_weights
from judgeforge.promote.fetching import fetch_version
from judgeforge.promote.listing import LISTING_FILE
from judgeforge.promote.registry import Registry
from tests.integration.tracked.weights_tools import (
    NAME,
    grade_folder,
    make_evidence,
    predict,
    predict_or_fail,
    register,
)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def find_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_judge_loads_elsewhere_as_it_is_and_is_refused_once_it_was_tampered_with(
    server: Any, work: Path, params: Any, tmp_path: Path
) -> None:
    evidence = make_evidence(work)
    version = register(evidence, params)
    address = f"models:/{NAME}/{version.number}"
    assert predict(address, tmp_path / "elsewhere") == grade_folder(evidence.model, params)
    folder, base = fetch_version(version)
    assert base is None
    sent = {path.relative_to(evidence.model).as_posix() for path in find_files(evidence.model)}
    assert {path.relative_to(folder).as_posix() for path in find_files(folder)} == sent | {LISTING_FILE}

    stored = next(server.folder.rglob("artifacts/judge/model.safetensors"))
    content = bytearray(stored.read_bytes())
    content[-1] ^= 1
    stored.write_bytes(content)
    refused = predict_or_fail(address, tmp_path / "elsewhere")
    assert "model.safetensors is not what was registered: it has other content" in refused.stderr
    assert fetch_version(version)[0] == folder, "what was fetched before it was tampered with is whole"
    fresh = work / "fresh"
    fresh.mkdir()
    with contextlib.chdir(fresh), pytest.raises(InputError, match="it has other content"):
        fetch_version(version)
    assert not list((fresh / ".judgeforge/judges").iterdir()), "what was refused does not stay"


def test_a_store_on_this_machine_is_used_in_place_and_read_once(store: Any, params: Any, tmp_path: Path) -> None:
    version = register(make_evidence(tmp_path), params)
    folder, _ = fetch_version(version)
    assert folder.is_relative_to(tmp_path / "mlartifacts")
    (seen,) = Path(".judgeforge/judges").iterdir()
    noted = seen.stat().st_mtime_ns
    fetch_version(version)
    assert seen.stat().st_mtime_ns == noted
    with (folder / "model.safetensors").open("r+b") as handle:
        handle.seek(-1, os.SEEK_END)
        handle.write(b"\xff")
    with pytest.raises(InputError, match="it has other content"):
        fetch_version(version)
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"lacks model.safetensors: the weights were deleted"):
        fetch_version(version)


def test_the_base_of_an_adapter_is_stored_with_it(store: Any, params: Any, tmp_path: Path) -> None:
    base = make_evidence(tmp_path, seed=2).model
    judge, kept = fetch_version(register(make_evidence(tmp_path, base=base), params))
    assert kept is not None
    assert (kept / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    assert (judge / "model.safetensors").read_bytes() != (base / "model.safetensors").read_bytes()


@pytest.mark.parametrize("remote", [True, False])
def test_weights_are_deleted_and_the_rest_stays(
    request: pytest.FixtureRequest, params: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: bool
) -> None:
    request.getfixturevalue("server" if remote else "store")
    monkeypatch.chdir(tmp_path)
    evidence = make_evidence(tmp_path)
    version = register(evidence, params)
    fetch_version(version)
    client = Registry(NAME).client
    deleted = delete_weights(client, version)
    assert deleted.files == len(find_files(evidence.model))
    assert deleted.bytes == sum(path.stat().st_size for path in find_files(evidence.model))
    assert delete_weights(client, version).files == 0
    assert not list(Path(".judgeforge/judges").iterdir()), "this machine's copy is gone, too"
    with pytest.raises(InputError, match="the weights were deleted, or never came"):
        fetch_version(version)
    refused = predict_or_fail(f"models:/{NAME}/{version.number}", tmp_path / "elsewhere")
    assert "the weights were deleted" in refused.stderr
    evidence_kept = {entry.path for entry in client.list_artifacts(version.run_id, "evidence")}
    assert evidence_kept == {f"evidence/{name}" for name in ("metrics.json", "report.html", "verdicts", "card")}


_REGISTER = """
import sys
from pathlib import Path
from judgeforge.params import load_params
from tests.integration.tracked.weights_tools import make_evidence, register
version = register(make_evidence(Path.cwd()), load_params(Path(sys.argv[1]) / "params.yaml"))
print(version.number)
"""
_BYTES = 400_000_000
ROOT = Path(__file__).parents[3]


def enlarge(folder: Path) -> None:
    """Add a file that takes a while to send."""
    with (folder / "more.safetensors").open("wb") as handle:
        for _ in range(_BYTES // 1_000_000):
            handle.write(os.urandom(1_000_000))


def start_registration(work: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _REGISTER, str(ROOT)],
        cwd=work,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_part(folder: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until the store has a part of the large file."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        with contextlib.suppress(FileNotFoundError):  # it takes its name meanwhile
            parts = [path.stat().st_size for path in folder.rglob(".artifact.uploading.*")]
            if any(2_000_000 < size < _BYTES for size in parts):
                return
        time.sleep(0.01)
    raise AssertionError("the upload did not begin")


@pytest.mark.slow
def test_a_client_killed_in_the_middle_registers_nothing_and_the_next_call_does(
    server: Any, work: Path, params: Any
) -> None:
    enlarge(make_evidence(work).model)
    killed = start_registration(work)
    wait_for_part(server.folder, killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    client = Registry(NAME).client
    assert not client.search_model_versions(f"name = '{NAME}'")
    version = register(make_evidence(work), params)
    assert version.number == "1"
    stored = [path for path in find_files(server.folder) if path.stat().st_size >= _BYTES]
    assert len(stored) == 1
    models = client.search_logged_models([client.get_run(version.run_id).info.experiment_id])
    assert len(models) == 1, "the first one is gone"
    assert not list(server.folder.rglob(".artifact.uploading.*"))
    assert (fetch_version(version)[0] / "more.safetensors").stat().st_size == _BYTES


@pytest.mark.slow
def test_a_server_killed_in_the_middle_is_waited_for(server: Any, work: Path) -> None:
    enlarge(make_evidence(work).model)
    registration = start_registration(work)
    wait_for_part(server.folder, registration)
    server.stop()
    time.sleep(2)
    server.start()
    number, errors = registration.communicate(timeout=300)
    assert registration.returncode == 0, errors
    assert "more.safetensors broke off" in errors
    assert number.strip() == "1"
    (stored,) = [path for path in find_files(server.folder) if path.name == "more.safetensors"]
    assert stored.stat().st_size == _BYTES


@pytest.mark.slow
def test_a_server_that_stays_away_is_an_error_that_registers_nothing(
    server: Any, work: Path, params: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = make_evidence(work)
    monkeypatch.setattr(stores, "_ATTEMPTS", 2)

    @contextlib.contextmanager
    def stop_server(path: Path, advance: Any) -> Any:
        """Let the server go away between the frame and the weights."""
        server.stop()
        yield

    with monkeypatch.context() as patched:
        patched.setattr("judgeforge.promote.uploading.follow_reading", stop_server)
        with pytest.raises(EnvironmentFault, match="cannot be used"):
            register(evidence, params)
    assert "broke off, once more in" in capsys.readouterr().err
    server.start()
    assert not Registry(NAME).client.search_model_versions(f"name = '{NAME}'")
    assert register(evidence, params).number == "1"
