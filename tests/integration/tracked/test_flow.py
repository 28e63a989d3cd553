"""The flow on a tiny DVC project whose stages take no time and fail to order: real DVC, MLflow and Prefect."""

import concurrent.futures
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

ALL = {"base", "prepare", "train-direct", "train-pairwise", "merge", "evaluate-merged", "report"}


def run_flow(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.retrain", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | environment, timeout=300
    )


def list_runs(project: Path) -> list[str]:
    """List the stages that ran since the last call."""
    path = project / "ran.txt"
    names = [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    return names


class SimpleFuture:
    def __init__(self, future: concurrent.futures.Future[None]) -> None:
        self.wrapped_future, self.result = future, future.result


class OrderedFutures:
    """Runs stages on threads, as Prefect does, and notes what ran beside what."""

    def __init__(self, failing: dict[str, Exception]) -> None:
        self.failing, self.order, self.most = failing, [], 0
        self._pool = concurrent.futures.ThreadPoolExecutor(8)
        self._active, self._lock = 0, threading.Lock()

    def submit(self, stage: str) -> Any:
        future = self._pool.submit(self._run, stage)
        return SimpleFuture(future)

    def _run(self, stage: str) -> None:
        with self._lock:
            self.order.append(stage)
            self._active += 1
            self.most = max(self.most, self._active)
        time.sleep(0.05)
        with self._lock:
            self._active -= 1
        if stage in self.failing:
            raise self.failing[stage]


@pytest.fixture
def run_in_order() -> Any:
    from flows.order import run_in_order

    return run_in_order


GRAPH = {"base": set(), "direct": {"base"}, "pairwise": {"base"}, "merge": {"direct", "pairwise"}, "side": {"base"}}


@pytest.mark.parametrize("parallel", [1, 2])
def test_stages_run_after_what_they_need_and_no_more_at_a_time_than_allowed(run_in_order: Any, parallel: int) -> None:
    futures = OrderedFutures({})
    run_in_order(GRAPH, lambda _, running: len(running) < parallel, futures.submit)
    assert sorted(futures.order) == sorted(GRAPH)
    assert futures.order.index("merge") > max(futures.order.index("direct"), futures.order.index("pairwise"))
    assert futures.order[0] == "base"
    assert futures.most == parallel


def test_a_failure_stops_what_needs_it_and_nothing_else(run_in_order: Any) -> None:
    from judgeforge.errors import InputError

    futures = OrderedFutures({"direct": InputError("Row 3 has no score.", "give it one.")})
    with pytest.raises(InputError, match="Row 3"):
        run_in_order(GRAPH, lambda _, running: len(running) < 2, futures.submit)
    assert sorted(futures.order) == ["base", "direct", "pairwise", "side"]


def test_stages_in_a_circle_are_bad_input(run_in_order: Any) -> None:
    from judgeforge.errors import InputError

    with pytest.raises(InputError, match="circle"):
        run_in_order({"a": {"b"}, "b": {"a"}}, lambda *_: True, OrderedFutures({}).submit)


def test_one_stage_runs_without_any_server_and_says_what_is_wrong_with_it(project: Path) -> None:
    from flows.pipeline import find_stale_stages, load_graph
    from flows.remote.running import Order
    from flows.stages import run_stage
    from judgeforge.errors import EnvironmentFault, InputError
    from judgeforge.params import load_params

    assert find_stale_stages() == set(load_graph()) == {name.replace("-", "@") for name in ALL}
    run_stage.fn("base", order=Order(load_params(), {}, "abc"))
    assert (project / "models/base/weights.txt").read_text().startswith("base")
    assert "base" not in find_stale_stages()
    assert (project / "ran.txt").read_text().split()[2] == "abc", "the stage's run nests in the flow's"
    (project / "order-prepare").write_text("exit 2 once")
    with pytest.raises(InputError) as caught:
        run_stage.fn("prepare")
    assert caught.value.problem == "Stage prepare: prepare found a wrong thing."
    assert caught.value.remedy == "put it right."
    (project / "order-prepare").write_text("kill once")
    with pytest.raises(EnvironmentFault, match="signal 9"):
        run_stage.fn("prepare")


def test_a_stage_waits_while_another_dvc_process_holds_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import commands, stages
    from flows.commands import Finished

    answers = [Finished(255, "ERROR: Unable to acquire lock."), Finished(0, "")]
    monkeypatch.setattr(commands, "run_command", lambda *_: answers.pop(0))
    monkeypatch.setattr(commands, "_BUSY_PAUSE_S", 0.0)
    stages.run_stage.fn("base")
    assert not answers


def test_only_faults_are_tried_again() -> None:
    from types import SimpleNamespace

    from flows.machines.closing import MachinesLeftError
    from flows.machines.raising import NoWorkersError
    from flows.stages import may_pass
    from judgeforge.errors import EnvironmentFault, InputError

    assert may_pass(None, None, SimpleNamespace(data=EnvironmentFault("a", "b")))
    assert not may_pass(None, None, SimpleNamespace(data=InputError("a", "b")))
    assert not may_pass(None, None, SimpleNamespace(data=KeyError("a")))
    assert not may_pass(None, None, SimpleNamespace(data=NoWorkersError("a", "b")))
    assert not may_pass(None, None, SimpleNamespace(data=MachinesLeftError("a", "b")))


def test_wrong_params_and_missing_projects_end_the_flow_before_it_starts(project: Path) -> None:
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("alpha: 0.5", "alfa: 0.5"))
    done = run_flow()
    assert done.returncode == 2
    assert done.stderr.strip().startswith("error: params.yaml: merge.alpha is missing; merge.alfa is unknown.")
    assert len(done.stderr.strip().splitlines()) == 1
    (project / "params.yaml").write_text(text)
    shutil.rmtree(project / ".dvc")
    done = run_flow()
    assert done.returncode == 2
    assert done.stderr.startswith("error: This is no DVC project")
    assert not list_runs(project)


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "PREFECT_API_URL"])
def test_a_server_that_is_away_is_named_before_anything_runs(project: Path, variable: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = run_flow(**{variable: address})
    assert done.returncode == 75
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"at {address} does not answer" in done.stderr
    assert variable in done.stderr
    assert not list_runs(project)


@pytest.mark.slow
def test_the_whole_retraining_its_second_run_and_a_changed_parameter(project: Path, store: Any) -> None:
    done = run_flow("--max-parallel", "2")
    assert done.returncode == 0, done.stderr
    assert set(list_runs(project)) == ALL
    experiment = store.get_experiment_by_name("judgeforge").experiment_id
    runs = {run.info.run_name: run for run in store.search_runs([experiment])}
    parent = runs["retrain"]
    assert parent.info.status == "FINISHED"
    assert parent.data.params["merge.alpha"] == "0.5"
    assert parent.data.tags["outcome"] == "promoted"
    assert "data.data/train" in parent.data.tags
    assert parent.data.metrics["merged/embedded_direct/pearson"] == 0.9
    kept = {entry.path for entry in store.list_artifacts(parent.info.run_id)}
    assert kept == {"metrics.json", "report.html", "report.md", "report.csv", "params.yaml", "dvc.lock"}
    assert runs["register-merged"].data.tags["mlflow.parentRunId"] == parent.info.run_id
    name = "judgeforge-judge"
    assert store.get_registered_model(name).aliases == {"challenger": 1, "champion": 1}

    again = run_flow("--max-parallel", "2")
    assert again.returncode == 0
    assert "Nothing changed" in again.stderr
    assert "Starting temporary server" not in again.stderr
    assert list_runs(project) == []
    assert len(store.search_runs([experiment])) == len(runs)

    params = project / "params.yaml"
    params.write_text(params.read_text().replace("alpha: 0.5", "alpha: 0.6"))
    changed = run_flow()
    assert changed.returncode == 0, changed.stderr
    assert list_runs(project) == ["merge", "evaluate-merged", "report"]
    assert store.get_registered_model(name).aliases == {"challenger": 2, "champion": 2, "previous": 1}


@pytest.mark.slow
def test_a_fault_is_tried_again_bad_input_is_not_and_the_next_run_goes_on(project: Path, store: Any) -> None:
    (project / "order-base").write_text("kill once")
    (project / "order-merge").write_text("exit 2")
    done = run_flow("--no-promote")
    assert done.returncode == 2
    ran = list_runs(project)
    assert ran.count("base") == 2
    assert ran.count("merge") == 1
    assert "report" not in ran
    assert "error: Stage merge: merge found a wrong thing. Remedy: put it right." in done.stderr.splitlines()
    assert "Traceback" not in done.stderr
    experiment = store.get_experiment_by_name("judgeforge").experiment_id
    assert [run.info.status for run in store.search_runs([experiment])] == ["FAILED"]
    (project / "order-merge").unlink()
    assert run_flow("--no-promote").returncode == 0
    assert list_runs(project) == ["merge", "evaluate-merged", "report"]
    assert store.get_registered_model("judgeforge-judge").aliases == {"challenger": 1}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_flow_ends_its_stages_and_marks_its_run(project: Path, store: Any, number: int) -> None:
    (project / "order-base").write_text("sleep 250")
    flow = subprocess.Popen(
        [sys.executable, "-m", "flows.retrain"],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - background shells ignore it
    )
    ran, deadline = project / "ran.txt", time.monotonic() + 120
    while not (ran.exists() and "base" in ran.read_text()) and time.monotonic() < deadline:
        time.sleep(0.2)
    stage = next(int(line.split()[1]) for line in ran.read_text().splitlines() if line.startswith("base"))
    flow.send_signal(number)
    try:
        output = flow.communicate(timeout=90)[1]
    finally:
        flow.kill()
    assert flow.returncode != 0
    with pytest.raises(ProcessLookupError):
        os.kill(stage, 0)
    experiment = store.get_experiment_by_name("judgeforge").experiment_id
    assert [run.info.status for run in store.search_runs([experiment])] == ["KILLED"], output
