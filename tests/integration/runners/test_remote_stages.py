"""Stages on workers of a pool: a real Prefect server, real workers in clones elsewhere, DVC's remote between them."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest

from flows.remote.progress import name_artifact
from tests.integration.runners.projects import Project, name_model, write_params

pytestmark = pytest.mark.slow
SLOW = {"train-direct": {"steps": 12, "step_s": 1.0}, "train-pairwise": {"steps": 3, "step_s": 0.2}}


def finish(flow: "subprocess.Popen[str]", code: int = 0) -> str:
    output, _ = flow.communicate(timeout=900)
    assert flow.returncode == code, output[-5000:]
    return output


def count_steps(project: Project, stage: str) -> Counter[str]:
    return Counter(what for name, what, _ in project.read_steps() if name == stage and what.isdigit())


def has_step(project: Project, stage: str, step: int) -> bool:
    return (stage, str(step)) in {(name, what) for name, what, _ in project.read_steps()}


def is_synced(project: Project) -> bool:
    listed = project.server.ask("artifacts/filter", {})
    return any(entry["key"] == name_artifact(name_model(project.path), "train@direct") for entry in listed)


def list_runs(project: Project, flow: str) -> list[dict[str, str]]:
    began = {"after_": project.began}  # tests share a server, and one leaves a killed run behind
    chosen = {"flows": {"name": {"any_": [flow]}}, "flow_runs": {"expected_start_time": began}}
    return list(project.server.ask("flow_runs/filter", chosen))


def list_alive(project: Project) -> list[str]:
    found = [run for flow in ("retrain", "reproduce") for run in list_runs(project, flow)]
    return [run["name"] for run in found if run["state_type"] in ("PENDING", "RUNNING", "SCHEDULED", "CANCELLING")]


def test_two_trainings_run_on_two_workers_at_once_and_nothing_runs_again(project: Project) -> None:
    pair = {"train-direct": "train-pairwise", "train-pairwise": "train-direct"}
    project.set_pace({name: {"steps": 6, "step_s": 0.1, "beside": other} for name, other in pair.items()})
    project.add_worker("one")
    project.add_worker("two")
    finish(project.start_flow())
    begun = [(name, folder) for name, what, folder in project.read_steps() if what == "begins"]
    assert sorted(name for name, _ in begun) == ["merge", "prepare", "train-direct", "train-pairwise"]
    places = dict(begun)
    assert places["merge"] == places["prepare"] == str(project.path)
    assert {places["train-direct"], places["train-pairwise"]} == {str(project.folder / name) for name in ("one", "two")}
    assert "of 6 steps" in (project.path / "models/direct/weights.txt").read_text()
    before = len(project.read_steps())
    finish(project.start_flow())
    assert len(project.read_steps()) == before
    assert list_alive(project) == []


def test_a_lost_machine_costs_what_was_not_sent_yet(project: Project, wait_for: Callable[..., None]) -> None:
    project.set_pace(SLOW | {"train-direct": {"steps": 60, "step_s": 1.0}})
    first = project.add_worker("one")
    flow = project.start_flow()
    wait_for(lambda: is_synced(project), what=first.read_log)
    first.lose()
    second = project.add_worker("two")
    output = finish(flow)
    assert "No sign of life for 90 s" in output
    resumed = [what for name, what, _ in project.read_steps() if what.startswith("resumes-at-")]
    assert len(resumed) == 1, second.read_log()[-3000:]
    steps, sent = count_steps(project, "train-direct"), int(resumed[0].removeprefix("resumes-at-"))
    assert len(steps) == 60
    assert sent >= 1
    assert {steps[str(step)] for step in range(1, sent + 1)} == {1}, "it began anew"
    assert list_alive(project) == []


def test_a_killed_worker_process_alone_loses_nothing(project: Project, wait_for: Callable[..., None]) -> None:
    project.set_pace(SLOW)
    first = project.add_worker("one")
    flow = project.start_flow()
    wait_for(lambda: has_step(project, "train-direct", 3), what=first.read_log)
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    project.add_worker("two")
    finish(flow)
    assert set(count_steps(project, "train-direct").values()) == {1}


def test_a_worker_that_is_started_again_leaves_the_stage_alone_that_goes_on_in_its_checkout(
    project: Project, wait_for: Callable[..., None]
) -> None:
    names = ("train-direct", "train-pairwise")
    project.set_pace({name: {"steps": 3, "step_s": 0.1, "beside": "test"} for name in names})

    def list_turns() -> list[str]:
        return [what for name, what, _ in project.read_steps() if name in names and not what.isdigit()]

    def count_running() -> int:
        return sum(run["state_type"] == "RUNNING" for run in list_runs(project, "reproduce"))

    first = project.add_worker("one")
    flow = project.start_flow()
    wait_for(lambda: list_turns() == ["begins"], what=first.read_log)
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    again = project.add_worker("one")
    wait_for(lambda: count_running() == 2, what=again.read_log)
    time.sleep(10)
    assert list_turns() == ["begins"]
    with project.log.open("a") as log:
        log.write("test begins 0 - 0\n")
    finish(flow)
    assert list_turns() == ["begins", "ends"] * 2


def test_a_killed_flow_is_run_again_and_takes_its_stage_over(project: Project, wait_for: Callable[..., None]) -> None:
    project.set_pace(SLOW | {"train-direct": {"steps": 40, "step_s": 1.0}})
    worker = project.add_worker("one")
    project.add_worker("two")
    flow = project.start_flow()
    wait_for(lambda: has_step(project, "train-direct", 2), what=worker.read_log)
    os.killpg(flow.pid, signal.SIGKILL)
    flow.wait()
    finish(project.start_flow())
    assert count_steps(project, "train-direct") == Counter({str(step): 1 for step in range(1, 41)})
    assert set(count_steps(project, "train-pairwise").values()) == {1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_flow_ends_its_stages_and_the_next_goes_on(
    project: Project, wait_for: Callable[..., None], number: signal.Signals
) -> None:
    project.set_pace(SLOW)
    worker = project.add_worker("one")
    flow = project.start_flow()
    wait_for(lambda: has_step(project, "train-direct", 5), what=worker.read_log)
    flow.send_signal(number)
    output, _ = flow.communicate(timeout=200)
    assert flow.returncode != 0
    wait_for(lambda: [run for run in list_alive(project) if run.startswith("train")] == [], what=lambda: output)
    seen = count_steps(project, "train-direct")
    assert len(seen) < 12
    finish(project.start_flow())
    assert any(what.startswith("resumes-at-") for _, what, _ in project.read_steps())
    assert set(count_steps(project, "train-direct").values()) == {1}


def test_a_restarted_server_loses_nothing(project: Project, wait_for: Callable[..., None]) -> None:
    project.set_pace(SLOW | {"train-direct": {"steps": 30, "step_s": 1.0}})
    worker = project.add_worker("one")
    flow = project.start_flow()
    wait_for(lambda: has_step(project, "train-direct", 4), what=worker.read_log)
    project.server.stop()
    wait_for(lambda: has_step(project, "train-direct", 14), what=worker.read_log)
    project.server.start()
    finish(flow)
    assert set(count_steps(project, "train-direct").values()) == {1}
    wait_for(lambda: list_alive(project) == [])


def test_what_a_stage_says_comes_back_and_is_not_tried_again(project: Project) -> None:
    project.set_pace({"train-direct": {"error": "Row 3 of the set has no score."}})
    project.add_worker("one")
    output = finish(project.start_flow(), code=2)
    assert "error: Stage train@direct: Row 3 of the set has no score. Remedy: put it right." in output
    assert [what for name, what, _ in project.read_steps() if name == "train-direct"] == ["begins"]
    assert [what for name, what, _ in project.read_steps() if name == "train-pairwise"][-1] == "ends"


def test_what_cannot_travel_is_refused_before_anything_runs_elsewhere(project: Project) -> None:
    (project.path / "slow_stage.py").write_text((project.path / "slow_stage.py").read_text() + "# mine\n")
    output = finish(project.start_flow(), code=2)
    assert "Files differ from the commit, and a worker would not see them: slow_stage.py." in output
    assert list_runs(project, "reproduce") == []


def test_no_worker_and_no_remote_are_said_with_their_remedies(project: Project) -> None:
    project.run(sys.executable, "-m", "dvc", "remote", "remove", "--local", "storage")
    output = finish(project.start_flow(), code=2)
    assert "DVC has no default remote" in output
    assert project.read_steps() == []
    write_params(project.path, provider="none")
    finish(project.start_flow())
    assert {folder for _, _, folder in project.read_steps()} == {str(project.path)}
