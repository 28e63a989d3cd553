"""``judgeforge serve`` and the registered judge on vLLM: the same verdicts as on transformers."""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from judgeforge.cli.items import build_item
from judgeforge.engines.building import build_engine
from judgeforge.engines.grading import grade_items
from judgeforge.params import EvaluateParams, PromoteParams, load_section
from tests.integration.serving.conftest import DIRECT, RUBRIC, Service, prepare

pytestmark = pytest.mark.vllm

PAIR = {"instruction": "Name a prime.", "response_a": "9", "response_b": "7", "rubric": RUBRIC}
MACHINE = {"tensor_parallel_size": 1, "gpu_memory_utilization": 0.5, "cpu_cache_gib": 1}


def list_descendants(pid: int) -> list[str]:
    """List the processes of a worker's group."""
    listing = subprocess.run(["ps", "-e", "-o", "pid=,pgid="], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listing.splitlines() if line.split()[1] == str(pid)]


def wait_until_gone(pid: int) -> None:
    """The system takes a moment to clear away what was killed."""
    deadline = time.monotonic() + 60
    while left := list_descendants(pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def test_the_server_answers_as_transformers_do_and_is_ended_and_started_with_its_worker(
    tmp_path: Path, miniature: Path, template, monkeypatch
) -> None:
    prepare(tmp_path, miniature, template, constrained=False, max_new_tokens=24)
    params = load_section("evaluate", EvaluateParams, tmp_path / "params.yaml")
    items = [build_item(row, 1, None) for row in (DIRECT, PAIR)]
    expected = [
        verdict.feedback
        for verdict, _ in grade_items(build_engine(params, tmp_path / "judge", None, template), items, template)
    ]
    document = yaml.safe_load((tmp_path / "params.yaml").read_text())
    document["evaluate"] |= {"engine": "vllm", "vllm": MACHINE}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document))
    monkeypatch.setattr("tests.integration.serving.conftest.START_S", 400)
    service = Service(tmp_path, "--model", "judge", "--timeout-s", "300")
    try:
        answers = [service.grade(), service.client.post("/grade/pairwise", json=PAIR)]
        assert [answer.json()["feedback"] for answer in answers] == expected
        assert service.grade(response="x" * 3000).status_code == 422
        worker = service.find_worker()
        assert len(list_descendants(worker)) > 1, "the worker and vLLM's server"
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(service.grade, response=str(number)) for number in range(4)]
            service.kill_worker()
            assert [answer.result().status_code for answer in asked] == [200] * 4
        wait_until_gone(worker)
        worker = service.find_worker()
        assert service.end() == 0
        wait_until_gone(worker)
    finally:
        service.stop()


def test_a_registered_judge_loads_with_vllm(tmp_path: Path, miniature: Path, template, params, monkeypatch) -> None:
    import mlflow
    import pandas as pd

    from judgeforge.promote.evidence import Evidence
    from judgeforge.promote.frames import build_example
    from judgeforge.promote.packaging import log_model

    place = prepare(tmp_path, miniature, template, constrained=False)
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    section = load_section("evaluate", EvaluateParams, place / "params.yaml")
    section = section.model_copy(update={"vllm": section.vllm.model_copy(update={"cpu_cache_gib": 1})})
    unused = Path(os.devnull)
    evidence = Evidence(judge="merged", model=place / "judge", base=None, metrics=unused, page=unused, verdicts=unused)
    with mlflow.start_run():
        address = log_model(evidence, section, load_section("promote", PromoteParams, place / "params.yaml"))
    frames = [
        mlflow.pyfunc.load_model(address, model_config={"engine": engine}).predict(build_example())
        for engine in ("transformers", "vllm")
    ]
    pd.testing.assert_frame_equal(*frames)
