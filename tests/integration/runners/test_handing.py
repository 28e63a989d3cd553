"""How a stage is handed over: one flow run for the same stage on the same state, and none that is on its way out."""

import logging
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from judgeforge.errors import InputError
from judgeforge.params import load_params
from tests.integration.runners.projects import Project
from tests.prefect_server import PrefectServer

pytestmark = pytest.mark.slow


@pytest.fixture
def client(server: PrefectServer) -> Iterator[Any]:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: server.address}), get_client(sync_client=True) as found:
        yield found


@pytest.fixture
def hand_over(project: Project, client: Any) -> Any:
    from flows.remote import handing
    from flows.remote.snapshot import Snapshot

    params = load_params(project.path / "params.yaml")

    def run(own: Any, **changed: Any) -> Any:
        runner = params.runner.model_copy(update=changed)
        snapshot = Snapshot(commit=f"{abs(hash(str(project.folder))):040x}", files={})
        return handing.hand_over(
            client, "train@direct", snapshot, params.model_copy(update={"runner": runner}), None, own
        )

    return run


def test_the_next_retraining_takes_a_stage_over_and_it_is_its_own_from_then_on(hand_over: Any, client: Any) -> None:
    from flows.remote.handing import name_tag

    dead, living = uuid4(), uuid4()
    first = hand_over(dead)
    second = hand_over(living)
    assert second.id == first.id
    assert client.read_flow_run(first.id).tags == [name_tag(living)]


def test_a_run_on_its_way_out_is_not_taken_over(hand_over: Any, client: Any) -> None:
    from prefect.states import Running

    from flows.remote.running import end_stage

    first = hand_over(uuid4())
    client.set_flow_run_state(first.id, Running(), force=True)
    end_stage(client, client.read_flow_run(first.id), "a test")
    second = hand_over(uuid4())
    assert second.id != first.id
    assert second.name.endswith("-2")


def test_a_stage_that_a_busy_checkout_put_off_is_handed_over_again_and_uses_up_no_try(
    project: Project, client: Any, monkeypatch: pytest.MonkeyPatch, wait_for: Any
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect.states import Completed, Failed

    from flows.remote.checkout import CheckoutBusyError
    from flows.remote.reproduce import write_error
    from flows.remote.running import Order, prepare_stage, run_remotely

    monkeypatch.chdir(project.path)
    order = Order(load_params(), {"prepare": set()}, None)
    log = logging.getLogger("test")

    def run() -> None:
        with temporary_settings({PREFECT_API_URL: project.server.address}):
            run_remotely("prepare", prepare_stage("prepare", order, log), order, log)

    def find(end: str) -> list[Any]:
        return [run for run in client.read_flow_runs() if run.name.startswith("prepare-") and run.name.endswith(end)]

    with ThreadPoolExecutor() as threads:
        done = threads.submit(run)
        for number in (1, 2):
            wait_for(lambda end=f"-{number}": find(end), 60)
            busy = Failed(message=write_error(CheckoutBusyError("Busy.", "wait.")))
            client.set_flow_run_state(find(f"-{number}")[0].id, busy, force=True)
        wait_for(lambda: find("-3"), 60)
        assert not done.done()
        client.set_flow_run_state(find("-3")[0].id, Completed(), force=True)
        done.result(60)


def test_another_pool_and_a_folder_of_one_machine_are_refused(hand_over: Any, project: Project) -> None:
    with pytest.raises(InputError, match=r"goes to the pool judgeforge-gpu, and runner.pool is elsewhere"):
        hand_over(uuid4(), pool="elsewhere")
    before = dict(project.environment)
    project.environment["JUDGEFORGE_CHECKOUT"] = "/somewhere"
    try:
        project.run(sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--name", "judgeforge-gpu")
    finally:
        project.environment.clear()
        project.environment.update(before)
    with pytest.raises(InputError, match=r"leads every worker to /somewhere.*env -u JUDGEFORGE_CHECKOUT"):
        hand_over(uuid4())


def test_how_long_a_stage_took_the_last_time_is_known_for_each_model(hand_over: Any, client: Any) -> None:
    """By the newest run that came to its end, of this model alone. The server stamps states itself, so they last."""
    from prefect.states import Completed, Failed, Running

    from flows.remote.history import find_minutes

    first: Any = hand_over(uuid4())

    def run(model: str, lasting_s: float = 0.0, state: Any = Completed) -> float:
        values = {**first.parameters, "model": model}
        made = client.create_flow_run_from_deployment(first.deployment_id, name="train@direct", parameters=values)
        client.set_flow_run_state(made.id, Running(), force=True)
        time.sleep(lasting_s)
        client.set_flow_run_state(made.id, state(), force=True)
        return float(client.read_flow_run(made.id).total_run_time.total_seconds()) / 60

    mine, other = f"judge-{uuid4().hex[:6]}", f"judge-{uuid4().hex[:6]}"
    assert find_minutes(client, ["train@direct"], mine) == {}
    run(mine)
    newest = run(mine, lasting_s=1.0)
    theirs = run(other)
    run(mine, state=Failed)
    assert newest >= 1 / 60
    assert find_minutes(client, ["train@direct", "train@pairwise"], mine) == {"train@direct": newest}
    assert find_minutes(client, ["train@direct"], other) == {"train@direct": theirs}
