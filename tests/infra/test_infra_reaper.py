"""What no flow and no guard could end: the reaper finds it, and asks Prefect what became of the run."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from front import Front, run_front
from raised import RUN, Folder, build_settings, wait_until
from rented import IMAGE, ROOT, Moto, Site, clean_environment, find_port

from flows.machines.detached import find_process
from tests.prefect_server import running_prefect

LATER, BEFORE = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server on loopback; gives the address of its API."""
    with running_prefect(tmp_path_factory.mktemp("prefect")) as server:
        yield server.address


@pytest.fixture
def front(moto: Moto) -> Iterator[Front]:
    with run_front(moto.address) as front:
        yield front


@pytest.fixture
def folder(tmp_path: Path, moto: Moto, site: Site, front: Front) -> Iterator[Folder]:
    folder = Folder(tmp_path / "flow", moto, site, front.address)
    shutil.copyfile(ROOT / "params.yaml", folder.path / "params.yaml")
    yield folder
    folder.end()


def add_run(prefect: str, state: str) -> str:
    flow = httpx.post(f"{prefect}/flows/", json={"name": "retrain"}).raise_for_status().json()["id"]
    asked = {"flow_id": flow, "state": {"type": "RUNNING", "name": "Running"}}
    run = str(httpx.post(f"{prefect}/flow_runs/", json=asked).raise_for_status().json()["id"])
    set_state(prefect, run, state)
    return run


def set_state(prefect: str, run: str, state: str) -> None:
    asked = {"state": {"type": state, "name": state.title()}, "force": True}
    httpx.post(f"{prefect}/flow_runs/{run}/set_state", json=asked).raise_for_status()


def add_machine(moto: Moto, site: Site, run: str, expires: str, owner: str = "test") -> str:
    """A machine that is in no state of Terraform's."""
    tags = {"judgeforge:owner": owner, "judgeforge:run": run, "judgeforge:expires": expires}
    given = [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
    made = moto.client("ec2").run_instances(
        ImageId=IMAGE,
        InstanceType="g6.xlarge",
        SubnetId=site.subnet_ids[0],
        MinCount=1,
        MaxCount=1,
        TagSpecifications=given,
    )
    return str(made["Instances"][0]["InstanceId"])


def reap(folder: Folder, prefect: str, *program: str) -> tuple[int, str]:
    variables = folder.variables | {"PREFECT_API_URL": prefect, "PREFECT_HOME": str(folder.path / "prefect")}
    done = subprocess.run(
        [sys.executable, *(program or ("-m", "flows.reap"))],
        cwd=folder.path,
        env=clean_environment(**variables, PREFECT_CLIENT_MAX_RETRIES="0"),
        text=True,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_everything_killed_in_mid_apply_is_left_while_the_run_lives_and_reaped_when_it_is_over(
    folder: Folder, front: Front, moto: Moto, prefect: str
) -> None:
    run = add_run(prefect, "RUNNING")
    front.held = "Action=CreateAutoScalingGroup"
    flow = folder.start(build_settings(), ending="signal", run=run)
    wait_until(front.holding.is_set, "the group is being made")
    wait_until(moto.live_instances, "its machine is there")
    notes = folder.path / ".judgeforge" / "machines" / run
    killed = [find_process(notes / "guard.json"), find_process(notes / "terraform.json"), flow]
    for process in killed:
        assert process is not None
        process.kill()
    flow.communicate()
    front.held = None
    front.released.set()

    code, said = reap(folder, prefect)
    assert code == 0, said
    assert len(moto.live_instances()) == 1
    set_state(prefect, run, "CRASHED")
    code, said = reap(folder, prefect)
    assert code == 0, said
    assert (folder.list_left(), folder.list_notes()) == ([], [])


def test_by_prefect_s_word_each_run_is_judged_and_no_other_owner_s_is_touched(
    folder: Folder, moto: Moto, site: Site, prefect: str
) -> None:
    kept = [
        add_machine(moto, site, add_run(prefect, "RUNNING"), BEFORE),
        add_machine(moto, site, str(uuid4()), BEFORE, owner="somebody-else"),
        add_machine(moto, site, "by-hand", LATER),
    ]
    for state in ("CANCELLED", "CRASHED", "FAILED", "COMPLETED"):
        add_machine(moto, site, add_run(prefect, state), LATER)
    add_machine(moto, site, str(uuid4()), LATER)  # the server knows of no such run
    add_machine(moto, site, "by-hand-before", BEFORE)
    code, said = reap(folder, prefect, "-c", "from flows.reap import reap; print(len(reap()), 'reaped')")
    assert code == 0, said
    assert "6 reaped" in said
    assert sorted(one["InstanceId"] for one in moto.live_instances()) == sorted(kept)


def test_while_prefect_does_not_answer_only_what_has_expired_is_ended(folder: Folder, moto: Moto, site: Site) -> None:
    kept = add_machine(moto, site, str(uuid4()), LATER)
    add_machine(moto, site, str(uuid4()), BEFORE)
    code, said = reap(folder, f"http://127.0.0.1:{find_port()}/api")
    assert code == 0, said
    assert [one["InstanceId"] for one in moto.live_instances()] == [kept]


def test_a_cloud_that_does_not_answer_at_the_end_is_loud_and_the_reaper_ends_it_later(
    folder: Folder, front: Front, prefect: str
) -> None:
    flow = folder.start(build_settings(), ending="signal", patience_s=5.0)
    wait_until(folder.is_up, "the machines are up")
    known = folder.path / ".judgeforge" / "machines" / RUN / "known.json"
    wait_until(lambda: "i-" in known.read_text(), "they are noted")
    front.down()
    flow.send_signal(signal.SIGINT)
    said, _ = flow.communicate(timeout=300)
    assert flow.returncode != 0
    machine = next(thing.split()[1] for thing in folder.list_left() if thing.startswith("machine"))
    assert f"may go on to cost: machine {machine}" in said
    assert f"aws ec2 terminate-instances --region eu-central-1 --instance-ids {machine}" in said
    assert "python -m flows.reap" in said
    assert folder.list_notes() == [RUN]

    code, said = reap(folder, prefect)
    assert code == 75, said  # still away
    front.up()
    code, said = reap(folder, prefect)
    assert code == 0, said
    assert (folder.list_left(), folder.list_notes()) == ([], [])
