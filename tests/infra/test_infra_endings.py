"""However a run ends, its machines go: told to, broken off, killed, or found later by the reaper."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from front import Front, run_front
from raised import RUN, Folder, build_settings, wait_until
from rented import Moto, Site

from flows.machines.detached import find_process


@pytest.fixture
def front(moto: Moto) -> Iterator[Front]:
    with run_front(moto.address) as front:
        yield front


@pytest.fixture
def folder(tmp_path: Path, moto: Moto, site: Site, front: Front) -> Iterator[Folder]:
    folder = Folder(tmp_path / "flow", moto, site, front.address)
    yield folder
    folder.end()


def find_noted(folder: Folder, name: str) -> psutil.Process | None:
    return find_process(folder.path / ".judgeforge" / "machines" / RUN / f"{name}.json")


def start_and_wait(folder: Folder) -> "subprocess.Popen[str]":
    process = folder.start(build_settings(), ending="signal")
    wait_until(lambda: folder.is_up() or process.poll() is not None, "the machines are up")
    assert folder.is_up(), process.communicate()[0]
    return process


def test_an_error_inside_ends_them_and_is_the_error_that_is_seen(folder: Folder) -> None:
    code, said = folder.run(build_settings(), ending="error")
    assert (code, "ValueError: a stage failed" in said) == (1, True), said
    assert (folder.list_left(), folder.list_notes()) == ([], [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_being_told_to_stop_ends_them_and_being_told_again_breaks_nothing_off(folder: Folder, number: int) -> None:
    process = start_and_wait(folder)
    process.send_signal(number)
    wait_until(lambda: find_noted(folder, "terraform"), "they are being ended")
    process.send_signal(number)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "terraform destroy: done" in said
    assert (folder.list_left(), folder.list_notes()) == ([], [])


def test_ctrl_c_in_mid_apply_lets_terraform_finish_what_it_is_making(folder: Folder, front: Front) -> None:
    front.held = "Action=CreateAutoScalingGroup"
    process = folder.start(build_settings(), ending="signal")
    wait_until(front.holding.is_set, "the group is being made")
    process.send_signal(signal.SIGINT)
    front.held = None
    front.released.set()
    said, _ = process.communicate(timeout=300)
    assert not folder.is_up()
    assert "Left of run" not in said  # it was in the state, so Terraform itself ended it
    assert "terraform destroy: done" in said
    assert (folder.list_left(), folder.list_notes()) == ([], [])


def test_a_killed_flow_leaves_a_guard_that_ends_them(folder: Folder, moto: Moto) -> None:
    process = start_and_wait(folder)
    assert len(moto.live_instances()) == 1
    process.kill()
    process.communicate()
    wait_until(lambda: not folder.list_notes(), "the guard has ended them")
    assert folder.list_left() == []


def test_a_flow_that_is_killed_because_ending_them_took_too_long_has_them_ended_all_the_same(folder: Folder) -> None:
    process = start_and_wait(folder)
    process.terminate()  # so does Prefect on cancellation, and kills half a minute later
    wait_until(lambda: find_noted(folder, "terraform"), "they are being ended")
    process.kill()
    process.communicate()
    wait_until(lambda: not folder.list_notes(), "the guard has ended them")
    assert folder.list_left() == []


def test_where_the_guard_was_killed_the_flow_ends_them_itself(folder: Folder) -> None:
    process = start_and_wait(folder)
    guard = find_noted(folder, "guard")
    assert guard is not None
    guard.kill()
    process.terminate()
    said, _ = process.communicate(timeout=300)
    assert "its work is done here" in said
    assert (folder.list_left(), folder.list_notes()) == ([], [])


def test_a_flow_killed_in_mid_apply_leaves_nothing_either(folder: Folder, front: Front) -> None:
    front.held = "Action=CreateAutoScalingGroup"
    process = folder.start(build_settings(), ending="signal")
    wait_until(front.holding.is_set, "the group is being made")
    process.kill()
    process.communicate()
    front.held = None
    front.released.set()
    wait_until(lambda: not folder.list_notes(), "the guard has ended them")
    assert folder.list_left() == []


def test_the_next_try_of_a_run_waits_until_the_machines_of_the_last_are_gone(folder: Folder) -> None:
    process = start_and_wait(folder)
    process.kill()
    process.communicate()
    (folder.path / "up.json").unlink()
    code, said = folder.run(build_settings())
    assert code == 0, said
    assert "The machines of an earlier try" in said
    assert (folder.list_left(), folder.list_notes()) == ([], [])


def test_a_killed_terraform_leaks_a_group_and_its_tags_give_it_away(folder: Folder, front: Front, moto: Moto) -> None:
    front.held = "Action=CreateAutoScalingGroup"
    process = folder.start(build_settings(), ending="signal")
    wait_until(front.holding.is_set, "the group is being made")
    wait_until(moto.live_instances, "its machine is there")
    terraform = find_noted(folder, "terraform")
    assert terraform is not None
    terraform.kill()
    front.held = None
    front.released.set()
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 75, said
    assert "terraform apply was ended by signal 9" in said
    assert "ended by its tags: group" in said
    assert (folder.list_left(), folder.list_notes()) == ([], [])
