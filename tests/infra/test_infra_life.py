"""Machines come up, and go: through the real Terraform, from an AWS that moto plays."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from front import Front, run_front
from raised import RUN, Folder, build_settings, wait_until
from rented import Moto, Site


@pytest.fixture
def front(moto: Moto) -> Iterator[Front]:
    with run_front(moto.address) as front:
        yield front


@pytest.fixture
def folder(tmp_path: Path, moto: Moto, site: Site, front: Front) -> Iterator[Folder]:
    folder = Folder(tmp_path / "flow", moto, site, front.address)
    yield folder
    folder.end()


def list_types(moto: Moto) -> list[str]:
    found = moto.client("ec2").describe_instances()["Reservations"]
    return sorted(one["InstanceType"] for reservation in found for one in reservation["Instances"])


def test_two_machines_come_up_and_go_and_leave_nothing(folder: Folder, moto: Moto) -> None:
    process = folder.start(build_settings(), machines=2, ending="signal")
    wait_until(folder.is_up, "the machines are up")
    live = moto.live_instances()
    tags = [{tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in live]
    assert sorted(one["InstanceId"] for one in live) == sorted(json.loads((folder.path / "up.json").read_text()))
    assert [(tag["judgeforge:owner"], tag["judgeforge:run"]) for tag in tags] == [("test", RUN)] * 2
    process.terminate()
    said, _ = process.communicate(timeout=300)
    assert "2 machines run." in said
    assert "Left of run" not in said  # Terraform's own destroy was enough
    assert (folder.list_left(), folder.list_notes()) == ([], [])


def test_what_was_spent_is_told_and_no_machine_costs_nothing_after_its_end(folder: Folder) -> None:
    code, said = folder.run(build_settings(machines=[{"type": "g6.xlarge", "hourly_usd": 60.0}]))
    assert code == 0, said
    assert "at most 240.00 USD (1 machine, 4.0 h each)" in said
    spent = json.loads((folder.path / "spent.json").read_text())
    assert 1.0 <= spent < 60.0  # a minute at the least


def test_machines_are_raised_again_for_the_same_run_and_what_the_earlier_ones_cost_stays_counted(
    folder: Folder, moto: Moto
) -> None:
    settings = build_settings(machines=[{"type": "g6.xlarge", "hourly_usd": 60.0}], max_usd=250.0)
    code, said = folder.run(settings, before=1)
    assert code == 0, said
    assert len(list_types(moto)) == 2
    (first,) = json.loads((folder.path / "costs.json").read_text())
    both = json.loads((folder.path / "spent.json").read_text())
    assert first >= 1.0
    assert both >= first + 1.0  # a minute at the least, of each
    assert f"at most {240 + first:.2f} USD" in said
    assert (folder.list_left(), folder.list_notes()) == ([], [])


def test_what_earlier_machines_cost_counts_against_the_budget(folder: Folder, moto: Moto) -> None:
    settings = build_settings(machines=[{"type": "g6.xlarge", "hourly_usd": 60.0}], max_usd=10.9, start_minutes=10)
    code, said = folder.run(settings, before=1)
    assert code == 2, said
    assert "the budget (runner.max_usd) is 10.90 USD" in said
    assert len(list_types(moto)) == 1
    assert (folder.list_left(), folder.list_notes()) == ([], [])


def test_the_next_zone_and_the_next_type_are_tried_where_there_is_no_capacity(
    tmp_path: Path, moto: Moto, site: Site, front: Front
) -> None:
    def fault(body: str) -> str | None:
        is_first = "Action=RunInstances" in body and ("g6.xlarge" in body or site.subnet_ids[0] in body)
        return "InsufficientInstanceCapacity" if is_first else None

    front.fault = fault
    folder = Folder(tmp_path / "flow", moto, site, front.address, mode="instance")
    code, said = folder.run(build_settings())
    assert code == 0, said
    assert "try 4 of 4: 1 of g5.xlarge, on demand" in said
    assert said.count("InsufficientInstanceCapacity") >= 3
    assert list_types(moto) == ["g5.xlarge"]
    assert folder.list_left() == []


def test_where_there_is_none_at_all_the_run_fails_and_leaves_nothing(folder: Folder, front: Front) -> None:
    front.fault = lambda body: "InsufficientInstanceCapacity" if "Action=CreateAutoScalingGroup" in body else None
    code, said = folder.run(build_settings())
    assert code == 75, said
    assert "No machine could be had, by none of 2 choices" in said
    assert (folder.list_left(), folder.list_notes()) == ([], [])


def test_what_is_not_permitted_is_not_tried_again(folder: Folder, front: Front) -> None:
    front.fault = lambda body: "UnauthorizedOperation" if "Action=CreateLaunchTemplate" in body else None
    code, said = folder.run(build_settings())
    assert code == 2, said
    assert "UnauthorizedOperation" in said
    assert "what they permit" in said
    assert "Tried again" not in said
    assert folder.list_left() == []


def test_a_cloud_that_is_away_for_twenty_seconds_is_waited_for(folder: Folder, front: Front, moto: Moto) -> None:
    front.held = "Action=CreateAutoScalingGroup"
    process = folder.start(build_settings(), ending="signal")
    wait_until(front.holding.is_set, "the group is being made")
    front.down()
    front.held = None
    front.released.set()
    time.sleep(20)  # the outage itself, not a check
    front.up()
    wait_until(lambda: folder.is_up() or process.poll() is not None, "the machines are up")
    live = len(moto.live_instances())
    process.terminate()
    said, _ = process.communicate(timeout=300)
    assert live == 1, said
    assert "is of this run, and in no state" in said  # the group whose making was not answered
    assert (folder.list_left(), folder.list_notes()) == ([], [])


def test_a_spent_budget_stops_the_run(tmp_path: Path, moto: Moto, site: Site, front: Front) -> None:
    folder = Folder(tmp_path / "flow", moto, site, front.address, mode="instance")  # it takes the first type
    dear, cheap = {"type": "g6.xlarge", "hourly_usd": 600.0}, {"type": "g5.xlarge", "hourly_usd": 1.0}
    settings = build_settings(machines=[dear, cheap], max_usd=5.0)  # it might have been the cheap one
    code, said = folder.run(settings, ending="signal", last_minutes=60.0)
    assert code == 2, said
    assert "620.00 USD if it takes as long as the last time" in said
    assert "The budget of 5.00 USD is spent" in said
    assert "raise runner.max_usd" in said
    assert (folder.list_left(), folder.list_notes()) == ([], [])


def test_a_budget_that_cannot_do_raises_nothing(folder: Folder, moto: Moto) -> None:
    code, said = folder.run(build_settings(max_usd=0.01))
    assert code == 2, said
    assert "the budget (runner.max_usd) is 0.01 USD" in said
    assert list_types(moto) == []
