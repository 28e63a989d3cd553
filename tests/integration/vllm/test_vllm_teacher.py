"""A teacher on two real ``vllm serve``, one of which is killed on the way: no row is lost, none is paid for twice."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest
import yaml

from judgeforge.params.teacher import TeacherParams
from judgeforge.prepare.teacher import build_teacher

pytestmark = pytest.mark.vllm

START_S = 400
DIRECT_TEMPLATE = {
    "name": "tiny-direct-1",
    "task": "direct",
    "system": "Grade.",
    "user": "{instruction} {response} {reference_section}{criteria} {levels} {lowest} {highest}",
    "result_marker": "[RESULT]",
    "reference_section": "{reference}",
}
RUBRIC_TEMPLATE = {
    "name": "tiny-rubric-1",
    "task": "rubric",
    "system": "Write.",
    "user": "{count} {instruction}",
    "result_marker": "",
    "reference_section": "",
}


def start(miniature: Path, folder: Path, name: str) -> tuple[subprocess.Popen[bytes], str, Path]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(miniature)]
    command += ["--served-model-name", "teacher", "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    command += ["--max-model-len", "448", "--enforce-eager"]
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    log = folder / f"{name}.log"
    process = subprocess.Popen(
        command, env=environment, stdout=log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True
    )
    return process, f"http://127.0.0.1:{port}", log


def await_health(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(START_S):
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(f"{url}/health", timeout=1).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(1)
    pytest.fail(f"not healthy after {START_S} s: {log.read_text()[-3000:]}")


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the server with the engine process that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


@pytest.fixture(scope="module")
def served(miniature: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple]]:
    folder = tmp_path_factory.mktemp("servers")
    started = [start(miniature, folder, name) for name in ("one", "two")]
    try:
        for each in started:
            await_health(*each)
        yield started
    finally:
        for process, _, _ in started:
            kill(process)


def count_served(url: str) -> float:
    """Read how many requests a server has finished, from its own metrics."""
    text = httpx.get(f"{url}/metrics", timeout=10).text
    lines = [line for line in text.splitlines() if line.startswith("vllm:request_success_total")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def make_rows(count: int) -> pl.DataFrame:
    shared = {"reference": None, "criteria": "Said?", "levels": ["no", "yes"], "lowest": 1, "response": "x", "score": 1}
    rows = [{"instruction": f"Say {n}."} | shared for n in range(count)]
    return pl.DataFrame(rows, schema_overrides={"reference": pl.String})


def build_params(place: Path, urls: list[str]) -> TeacherParams:
    names = []
    for number, url in enumerate(urls):
        settings = {"base_url": f"{url}/v1", "model": "teacher", "api_key_env": None, "concurrency": 4}
        settings |= {"first_wait_s": 0.2, "json_schema": True, "timeout_s": 100}
        (place / f"{number}.yaml").write_text(yaml.safe_dump(settings))
        names.append(str(place / f"{number}.yaml"))
    templates = {name: f"teacher-{name}-1" for name in ("pairwise", "reference")}
    for name, template in (("direct", DIRECT_TEMPLATE), ("rubric", RUBRIC_TEMPLATE)):
        (place / f"{name}.json").write_text(json.dumps(template))
        templates[name] = str(place / f"{name}.json")
    values = {"kind": "endpoint", "endpoints": names, "templates": templates, "attempts": 1, "seed": 1}
    values |= {"temperature": 0.0, "top_p": 1.0, "max_new_tokens": 24, "budget_tokens": None, "max_dropped_share": 1.0}
    values |= {"write_direct_feedback": True, "write_rubrics": True, "write_references": False, "rubric_levels": 2}
    return TeacherParams.model_validate(values)


def load_replies(cache: Path) -> list[str]:
    with sqlite3.connect(cache) as base:
        return [json.loads(row[0])["text"] for row in base.execute("SELECT reply FROM answers")]


def test_two_servers_share_the_rows_and_one_may_die(served, tmp_path):
    (dying, _, _), (_, living_url, _) = served
    cache = tmp_path / "answers.sqlite"
    teacher = build_teacher(
        build_params(tmp_path, [url for _, url, _ in served]), cache=cache, batches=tmp_path / "batches"
    )
    # The miniature speaks at random: its verdicts do not parse, and each answer counts all the same.
    teacher.ask({"direct": lambda: make_rows(40).iter_slices(30)})
    assert sum(teacher.describe()["tasks"]["direct"]["answers"].values()) == len(load_replies(cache)) == 40
    finished = [count_served(url) for _, url, _ in served]
    assert sum(finished) == 40 and min(finished) >= 10, finished

    teacher.ask({"rubric": lambda: iter([pl.DataFrame({"instruction": ["Say 1."]})])})
    assert len(load_replies(cache)) == 41
    # Under its schema even this model begins an object; the limit cuts it off.
    assert sum(text.lstrip().startswith("{") for text in load_replies(cache)) == 1

    before, at_kill = count_served(living_url), []

    def kill_midway() -> None:
        while len(load_replies(cache)) < 80:
            time.sleep(0.05)
        kill(dying)
        at_kill.append(len(load_replies(cache)))

    killer = threading.Thread(target=kill_midway)
    killer.start()
    teacher.ask({"direct": lambda: make_rows(240).iter_slices(100)})
    killer.join()
    assert at_kill[0] < 241, "it died on the way"
    assert sum(teacher.describe()["tasks"]["direct"]["answers"].values()) == 240
    assert count_served(living_url) - before >= 241 - at_kill[0]
    with sqlite3.connect(cache) as base:
        assert base.execute("SELECT count(*) FROM answers").fetchone() == (241,)
        ((replies,),) = base.execute("SELECT replies FROM spending").fetchall()
        held = base.execute("SELECT count(*) FROM reservations").fetchone()
    # What was on its way to the server that died may have been paid for, and counts as spent.
    assert 241 <= replies <= 241 + 4 and held == (0,)
