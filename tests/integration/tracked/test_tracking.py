import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from judgeforge.errors import EnvironmentFault
from judgeforge.tracking import stage_run, watch_machine


def find_runs(store: Any) -> dict[str, Any]:
    experiment = store.get_experiment_by_name("judgeforge")
    return {run.info.run_name: run for run in store.search_runs([experiment.experiment_id])}


def test_a_run_holds_params_metrics_tags_and_files_and_ends_finished(store: Any, tmp_path: Path) -> None:
    (tmp_path / "curve.jsonl").write_text("{}\n")
    with stage_run("train-direct", {"lora": {"rank": 8}}, {"colour": "red"}) as run:
        run.log_metrics({"loss": 2.0}, step=1)
        run.log_metrics({"loss": 1.0}, step=2)
        run.log_artifact(tmp_path / "curve.jsonl")
    found = find_runs(store)["train-direct"]
    assert found.info.status == "FINISHED"
    assert found.data.params == {"lora.rank": "8"}
    assert found.data.tags["colour"] == "red"
    history = [(point.step, point.value) for point in store.get_metric_history(run.run_id, "loss")]
    assert history == [(1, 2.0), (2, 1.0)]
    assert [entry.path for entry in store.list_artifacts(run.run_id)] == ["curve.jsonl"]
    assert (tmp_path / "mlartifacts").is_dir()


def test_the_machines_own_figures_stand_beside_the_runs(store: Any) -> None:
    with stage_run("train-direct", {}) as run, watch_machine(run, interval_s=0.1):
        time.sleep(0.5)
    metrics = find_runs(store)["train-direct"].data.metrics
    assert metrics["system/system_memory_usage_megabytes"] > 100
    assert 0 <= metrics["system/cpu_utilization_percentage"] <= 100


def test_stages_nest_in_the_run_that_the_flow_names(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage_run("retrain", {}) as parent:
        monkeypatch.setenv("JUDGEFORGE_PARENT_RUN_ID", parent.run_id)
        with stage_run("merge", {"alpha": 0.5}):
            pass
    assert find_runs(store)["merge"].data.tags["mlflow.parentRunId"] == parent.run_id


@pytest.mark.parametrize(
    ("error", "status"),
    [(RuntimeError("broken"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (SystemExit(143), "KILLED")],
)
def test_an_exception_passes_through_and_ends_the_run(store: Any, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), stage_run("merge", {}):
        raise error
    assert find_runs(store)["merge"].info.status == status


def test_a_run_whose_process_was_killed_is_marked_at_the_next_start(store: Any, tmp_path: Path) -> None:
    code = (
        "import os, signal\nfrom judgeforge.tracking import stage_run\n"
        "with stage_run('train-direct', {}): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == -9
    assert find_runs(store)["train-direct"].info.status == "RUNNING"
    with stage_run("train-pairwise", {}):
        runs = find_runs(store)
        assert runs["train-direct"].info.status == "KILLED"
        assert runs["train-pairwise"].info.status == "RUNNING"


def test_two_stages_can_start_at_once_on_no_store_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    code = "import sys\nfrom judgeforge.tracking import stage_run\nwith stage_run(sys.argv[1], {'a': 1}): pass"
    started = [
        subprocess.Popen([sys.executable, "-c", code, name], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    outputs = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    assert outputs == ["", ""], "MLflow's and Alembic's chatter is to be off"
    from mlflow import MlflowClient

    runs = find_runs(MlflowClient(f"sqlite:///{tmp_path}/mlflow.db"))
    assert {name: run.info.status for name, run in runs.items()} == {"one": "FINISHED", "two": "FINISHED"}
    assert not (tmp_path / "mlruns").exists()


def test_a_store_that_is_no_database_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlflow.db").write_text("this is not SQLite, it is a text that somebody put here " * 50)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(EnvironmentFault, match=r"mlflow\.db cannot be used"), stage_run("merge", {}):
        pytest.fail("the run must not open")


def test_a_server_that_vanishes_costs_a_warning_and_gets_the_records_later(
    server: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with stage_run("train-direct", {"seed": 1}) as run:
        run.log_metrics({"loss": 3.0}, step=1)
        server.stop()
        run.log_metrics({"loss": 2.0}, step=2)
        run.log_metrics({"loss": 1.0}, step=3)
        server.start()
    assert capsys.readouterr().err.count("does not take records") == 1
    from mlflow import MlflowClient

    client = MlflowClient(server.address)
    assert [point.step for point in client.get_metric_history(run.run_id, "loss")] == [1, 2, 3]
    assert client.get_run(run.run_id).info.status == "FINISHED"


@pytest.mark.slow
def test_a_server_that_stays_away_does_not_fail_the_stage(
    server: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with stage_run("train-direct", {}) as run:
        server.stop()
        run.log_metrics({"loss": 2.0}, step=2)
    assert "Not recorded in run" in capsys.readouterr().err.replace("\n", " ")
