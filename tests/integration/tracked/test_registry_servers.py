"""The registry over real servers with passwords, on SQLite and PostgreSQL: killed, crowded, asked by strangers."""

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

import judgeforge.tracking.store as store_module
from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError
from judgeforge.files import load_json, write_json
from judgeforge.params import Params
from judgeforge.promote.history import load_history
from judgeforge.promote.operations import retire, roll_back
from judgeforge.promote.registry import Registry
from tests.integration.tracked.judges import FEW, MANY, MORE, NAME, find_aliases
from tests.integration.tracked.servers import Server, find_postgres, running_postgres

ADMIN, PASSWORD = "admin", "a-password-of-tests"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def guarded(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Run a server that asks for passwords, and log in as its administrator."""
    programs = find_postgres()
    if request.param == "postgresql" and programs is None:
        pytest.skip("PostgreSQL is not installed ('make setup-postgres')")
    monkeypatch.chdir(tmp_path)
    folder = Path(tempfile.mkdtemp(prefix="judgeforge-", dir="/tmp"))
    with running_postgres(programs, folder) if request.param == "postgresql" else _nothing() as backend:  # type: ignore[arg-type]
        (tmp_path / "server").mkdir()
        server = Server(tmp_path / "server", backend, PASSWORD)
        server.start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
        log_in(monkeypatch, ADMIN)
        yield server
        server.stop()
    shutil.rmtree(folder)


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()


def log_in(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)


def ask(server: Server, what: str, values: dict[str, Any]) -> None:
    """Ask MLflow's API of users and permissions."""
    address = f"{server.address}/api/{what}"
    httpx.post(address, json=values, auth=(ADMIN, PASSWORD), timeout=60).raise_for_status()


def open_store(server: Server) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(server.address)


def test_promotion_rollback_and_history_with_passwords(
    guarded: Server, make_evidence: Any, run_promotion: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_promotion(make_evidence(1, MANY), why="the first")
    run_promotion(make_evidence(2, FEW), why="better")
    roll_back(Registry(NAME), "too dear")
    store = open_store(guarded)
    assert find_aliases(store) == {"challenger": "2", "champion": "1"}
    said = [(entry.action, entry.who, entry.why) for entry in load_history(Registry(NAME)).entries]
    assert said == [("promote", ADMIN, "the first"), ("promote", ADMIN, "better"), ("rollback", ADMIN, "too dear")]

    for name in ("reader", "engineer"):
        ask(guarded, "2.0/mlflow/users/create", {"username": name, "password": PASSWORD})
    experiment = store.get_experiment_by_name("judgeforge").experiment_id
    for kind, each in (("experiment", experiment), ("registered_model", NAME)):
        may = {"username": "engineer", "permission": "EDIT", "resource_type": kind, "resource_id": each}
        ask(guarded, "3.0/mlflow/users/permissions/grant", may)
    log_in(monkeypatch, "engineer")
    run_promotion(make_evidence(3, FEW), force=True, why="mine")
    roll_back(Registry(NAME), "back to the first, of whom there is none before")
    assert find_aliases(store)["champion"] == "1"
    run_promotion(make_evidence(3, FEW), force=True, why="mine again")
    assert load_history(Registry(NAME)).entries[-1].who == "engineer"
    log_in(monkeypatch, "reader")
    assert load_history(Registry(NAME)).champion == "3"
    with pytest.raises(InputError, match="Permission denied"):
        retire(Registry(NAME), "2", "I am only a reader")
    log_in(monkeypatch, ADMIN)
    assert len(Registry(NAME).ledger.read()) == 6
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    with pytest.raises(JudgeforgeError) as refused:
        load_history(Registry(NAME))
    assert "wrong" not in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["promotion", "rollback"])
def test_the_server_is_killed_between_every_two_steps_and_the_next_call_completes_it(
    guarded: Server, make_evidence: Any, run_promotion: Any, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(store_module, "_TENACITY", 0)
    run_promotion(make_evidence(1, MANY))
    run_promotion(make_evidence(2, MORE))
    act: Callable[[], Any]
    for step in itertools.count():
        if what == "promotion":
            evidence = make_evidence(step + 3, FEW)
            act = lambda: run_promotion(evidence, force=True, why="this one")  # noqa: B023, E731
        else:
            run_promotion(make_evidence(1, MANY), force=True, why="to be rolled back")
            act = lambda: roll_back(Registry(NAME), f"back {step}")  # noqa: B023, E731
        before = load_history(Registry(NAME))
        with Killing(guarded, step) as killed:
            try:
                act()
            except EnvironmentFault:
                assert killed
        if killed:
            guarded.start()
            act()
        after = load_history(Registry(NAME))
        assert not after.unfinished
        assert len(after.entries) == len(before.entries) + 1, f"done once, killed before request {step}"
        assert find_aliases(open_store(guarded))["champion"] == after.champion == after.entries[-1].version
        assert after.previous == (before.champion if what == "promotion" else "1")
        numbers = [each.number for each in after.versions]
        assert len(numbers) == len(before.versions) + (what == "promotion"), "the same weights are one version"
        if not killed:
            break
    assert step >= (8 if what == "promotion" else 3), "there were requests to die between"


class Killing:
    """Kill the server before the step of that number; inside, the list is empty until it happened.

    A step is a request that writes. Files that are sent to one folder, one after another, are one.
    """

    def __init__(self, server: Server, step: int) -> None:
        self._server, self._left, self._killed, self._folder = server, step, list[str](), ""

    def __enter__(self) -> list[str]:
        self._patch = pytest.MonkeyPatch()
        send = requests.Session.send

        def count(session: Any, request: Any, **options: Any) -> Any:
            folder = request.url.rpartition("/")[0] if request.method == "PUT" else ""
            writes = request.method != "GET" and not request.url.endswith("search")
            if writes and not (folder and folder == self._folder):
                self._folder = folder
                if self._left == 0 and not self._killed:
                    self._killed.append(f"{request.method} {request.path_url}")
                    self._server.stop()
                self._left -= 1
            return send(session, request, **options)

        self._patch.setattr(requests.Session, "send", count)
        return self._killed

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


@pytest.mark.slow
def test_of_twenty_promotions_at_once_one_makes_the_champion_and_nothing_is_lost(
    guarded: Server, make_evidence: Any, run_promotion: Any, params: Params, tmp_path: Path
) -> None:
    run_promotion(make_evidence(100, MANY))
    document = params.model_dump(mode="json")
    document["promote"] |= {"model_name": NAME, "primary": ["d/pearson", "p/accuracy"]}
    document["evaluate"] |= {"bootstrap_resamples": 300}
    processes = []
    for seed in range(20):
        evidence = make_evidence(seed % 18, FEW)  # two of them are the weights of two others
        folder = tmp_path / f"machine{seed}"
        folder.mkdir()
        write_json(folder / "params.yaml", document)
        options = ["--model", evidence.model, "--metrics", evidence.metrics, "--page", evidence.page]
        options += ["--evaluation", evidence.verdicts.parent, "--why", f"machine {seed}"]
        command = [sys.executable, "-c", _WAIT, *map(str, options)]
        processes.append(subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env=dict(os.environ)))
    deadline = time.monotonic() + 400
    while not all((tmp_path / f"machine{seed}" / "ready").exists() for seed in range(20)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    (tmp_path / "go").touch()
    said = [process.communicate(timeout=400)[1] for process in processes]
    codes = [process.returncode for process in processes]
    history = load_history(Registry(NAME))
    winner = history.entries[-1]
    assert len(history.entries) == 2, "one promotion of twenty"
    assert find_aliases(open_store(guarded))["champion"] == winner.version == history.champion
    assert not history.unfinished
    assert len(history.versions) == 1 + 18, "the same weights are one version, and none is lost"
    for code, text in zip(codes, said, strict=True):
        same = "is champion already" in text  # the winner's weights, registered by another one, too
        lost = code == 75 and f"meanwhile, version {winner.version} became champion" in text.replace("\n", " ")
        assert (code == 0 and ("is champion." in text or same)) or lost or code == 3, text
    assert codes.count(75) >= 1
    store = open_store(guarded)
    for version in history.versions:
        kept = {entry.path for entry in store.list_artifacts(version.run_id, "evidence")}
        assert {"evidence/metrics.json", "evidence/verdicts"} <= kept
    assert load_json(tmp_path / f"machine{int(winner.why.split()[1])}" / "reports/decision.json")


_WAIT = """
import sys, time
from pathlib import Path
import mlflow, judgeforge.promote.run
from judgeforge.promote.__main__ import main
from judgeforge.stage import run_stage
Path("ready").touch()
while not Path("../go").exists(): time.sleep(0.05)
run_stage(main)
"""
