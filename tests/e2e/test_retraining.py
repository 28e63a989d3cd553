"""The flow on a miniature model: a fine-tune killed in the middle, the run tree, the registered judge, a second run."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

_LIMIT_S = 900


def find_training(flow: subprocess.Popen[str], format: str) -> psutil.Process | None:
    for process in psutil.Process(flow.pid).children(recursive=True):
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if "judgeforge.train" in command and format in command and Path(command[0]).name.startswith("python"):
            return process
    return None


@pytest.fixture(scope="module")
def killed_and_finished(project: Path, run, environment) -> str:
    """Kill the direct fine-tune behind its first checkpoint, then the flow; run the flow again to its end."""
    assert run("judgeforge", "recipe", "smoke", "--set", "train.epochs=20").returncode == 0
    command = [sys.executable, "-m", "flows.retrain"]
    with (project / "first.log").open("w") as log:
        flow = subprocess.Popen(command, cwd=project, env=environment, stdout=log, stderr=subprocess.STDOUT, text=True)
        deadline = time.monotonic() + _LIMIT_S
        while not list((project / ".judgeforge" / "checkpoints" / "direct").glob("*/checkpoint-*/COMPLETE")):
            assert flow.poll() is None and time.monotonic() < deadline, (project / "first.log").read_text()[-3000:]
            time.sleep(0.05)
        training = find_training(flow, "direct")
        assert training is not None, "the fine-tune ended before it could be killed: raise train.epochs"
        training.send_signal(signal.SIGKILL)
        flow.send_signal(signal.SIGTERM)  # not SIGINT: whoever runs the tests in the background has that ignored
        flow.wait(timeout=120)
    assert flow.returncode != 0
    assert not (project / "models" / "direct").exists()
    second = run(*command)
    assert second.returncode == 0, second.stdout[-3000:] + second.stderr[-3000:]
    return second.stdout + second.stderr


def test_training_goes_on_from_the_checkpoint(killed_and_finished, project):
    assert "Resuming direct from checkpoint-" in killed_and_finished
    assert (project / "models" / "merged" / "merge.json").is_file()


def inspect(project: Path, environment: dict[str, str], script: str) -> dict:
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.strip().splitlines()[-1])


def test_one_run_holds_the_stages_runs_and_the_registered_judge_grades(killed_and_finished, project, environment):
    found = inspect(
        project,
        environment,
        """
import json, mlflow, pandas
mlflow.set_tracking_uri("sqlite:///mlflow.db")
client = mlflow.MlflowClient()
version = client.get_model_version_by_alias("judgeforge-judge", "challenger")
runs = client.search_runs([client.get_experiment_by_name("judgeforge").experiment_id])
trees = {}
for run in runs:
    trees.setdefault(run.data.tags.get("mlflow.parentRunId"), []).append(run.info.run_name)
finished = [run.info.run_id for run in runs if run.info.run_name == "retrain" and run.info.status == "FINISHED"]
frame = pandas.DataFrame([{"instruction": "Add 1 and 1.", "response": "2", "criteria": "Is it right?",
                           **{f"level_{score}": str(score) for score in range(1, 6)}}])
graded = mlflow.pyfunc.load_model("models:/judgeforge-judge@challenger").predict(frame)
print(json.dumps({"version": version.version, "stages": sorted(trees[finished[0]]), "columns": list(graded.columns),
                  "rows": len(graded), "text": isinstance(graded["raw_text"][0], str)}))
""",
    )
    assert found["version"] in (1, "1")
    assert {"train-direct", "merge", "evaluate-merged"} <= set(found["stages"])
    assert {"feedback", "score", "choice", "raw_text"} <= set(found["columns"])
    assert found["rows"] == 1 and found["text"]


def test_a_second_run_runs_nothing_and_says_so(killed_and_finished, project, run):
    before = {path: path.stat().st_mtime_ns for path in (project / "reports").iterdir()}
    again = run(sys.executable, "-m", "flows.retrain")
    assert again.returncode == 0 and "Nothing changed" in again.stdout + again.stderr
    assert {path: path.stat().st_mtime_ns for path in (project / "reports").iterdir()} == before
