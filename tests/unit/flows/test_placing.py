"""Which stage runs where, how many at a time, and when machines are raised."""

import concurrent.futures
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from flows.machines.closing import MachinesLeftError
from flows.machines.raising import NoWorkersError
from flows.placing import Places, is_remote, measure_width
from flows.remote.progress import FOLDERS, HOME
from judgeforge.errors import EnvironmentFault
from judgeforge.params import RunnerParams, load_params

ROOT = Path(__file__).resolve().parents[3]
GRAPH = {
    "prepare": set(),
    "train@direct": {"prepare"},
    "train@pairwise": {"prepare"},
    "merge": {"train@direct", "train@pairwise"},
    "evaluate@merged": {"merge"},
}


@pytest.fixture
def runner() -> RunnerParams:
    section = load_params(ROOT / "params.yaml").runner
    return section.model_copy(update={"provider": "standing", "stages": ("train", "evaluate@merged"), "workers": 2})


def test_a_stage_of_a_matrix_is_meant_by_the_name_of_all_or_by_its_own(runner: RunnerParams) -> None:
    assert [stage for stage in GRAPH if is_remote(stage, runner)] == [
        "train@direct",
        "train@pairwise",
        "evaluate@merged",
    ]
    assert not is_remote("evaluate@base", runner)
    assert not is_remote("train@direct", runner.model_copy(update={"provider": "none"}))


def test_places_are_counted_apart(runner: RunnerParams) -> None:
    places = Places(runner, GRAPH, parallel=1)
    assert places.has_room("train@pairwise", ["train@direct", "prepare"])
    assert not places.has_room("evaluate@merged", ["train@direct", "train@pairwise"])
    assert places.has_room("prepare", ["train@direct", "train@pairwise"])
    assert not places.has_room("merge", ["prepare"])


@pytest.mark.parametrize(("workers", "expected"), [(1, 1), (2, 2), (5, 2)])
def test_as_many_machines_as_stages_can_run_at_a_time(runner: RunnerParams, workers: int, expected: int) -> None:
    assert Places(runner.model_copy(update={"workers": workers}), GRAPH, 1).count_machines() == expected
    assert measure_width({"merge": {"train@direct"}}, lambda _: True) == 1


def test_machines_are_raised_once_for_the_first_stage_and_end_with_the_block(runner: RunnerParams) -> None:
    seen: list[str] = []

    @contextlib.contextmanager
    def raise_machines(count: int) -> Iterator[str]:
        seen.append(f"up {count}")
        try:
            yield "machines"
        finally:
            seen.append("down")

    with Places(runner, GRAPH, 1, raise_machines):
        pass
    assert seen == []
    with pytest.raises(RuntimeError), Places(runner, GRAPH, 1, raise_machines) as places:
        places.serve()
        assert seen == [], "nobody asked"
        ask_from_threads(places)
        places.ensure_workers()
        raise RuntimeError
    assert seen == ["up 2", "down"]


def ask_from_threads(places: Places) -> list[Exception | None]:
    """Ask from two threads, as two stages do, and serve from this one."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(places.ensure_workers) for _ in range(2)]
        while not all(each.done() for each in asked):
            places.serve()
    return [each.exception() for each in asked]  # type: ignore[misc]


def test_machines_that_cannot_be_had_fail_the_stages_and_are_asked_for_again(runner: RunnerParams) -> None:
    tries: list[int] = []

    @contextlib.contextmanager
    def raise_machines(count: int) -> Iterator[str]:
        tries.append(count)
        if len(tries) == 1:
            raise EnvironmentFault("No machine is to be had.", "wait.")
        yield "machines"

    with Places(runner, GRAPH, 1, raise_machines) as places:
        failures = ask_from_threads(places)
        assert any(isinstance(failure, EnvironmentFault) for failure in failures)
        ask_from_threads(places)
        assert places.machines == "machines"
    assert len(tries) == 2


def test_machines_that_came_and_did_not_work_are_not_raised_again(runner: RunnerParams) -> None:
    tries: list[int] = []

    @contextlib.contextmanager
    def raise_machines(count: int) -> Iterator[str]:
        tries.append(count)
        raise NoWorkersError("2 machines run, and none of them worked.", "see their logs.")
        yield "never"

    with Places(runner, GRAPH, 1, raise_machines) as places:
        for _ in range(2):
            assert [type(failure) for failure in ask_from_threads(places)] == [NoWorkersError] * 2
    assert len(tries) == 1


class Raised:
    """Machines that are counted; each is a thing of its own."""

    def __init__(self) -> None:
        self.up: list[object] = []
        self.ended = 0

    @contextlib.contextmanager
    def raise_machines(self, count: int) -> Iterator[object]:
        assert self.ended == len(self.up), "the earlier ones are ended first: they bear the same names"
        self.up.append(object())
        try:
            yield self.up[-1]
        finally:
            self.ended += 1


def test_machines_that_take_no_stage_are_ended_and_raised_anew_for_the_next_try(runner: RunnerParams) -> None:
    raised = Raised()
    with Places(runner, GRAPH, 1, raised.raise_machines) as places:
        ask_from_threads(places)
        first = places.ensure_workers()
        assert first is places.machines
        places.give_up(first)
        ask_from_threads(places)
        assert places.ensure_workers() is places.machines is raised.up[1]
        places.give_up(first)  # by a stage that began to wait long ago
        assert places.ensure_workers() is raised.up[1]
    assert (len(raised.up), raised.ended) == (2, 2)


def test_machines_are_not_ended_under_a_stage_that_one_of_them_has_taken(runner: RunnerParams) -> None:
    raised = Raised()
    with Places(runner, GRAPH, 1, raised.raise_machines) as places:
        ask_from_threads(places)
        with places.at_work("train@direct") as note:
            note(True)
            places.give_up(places.machines)
            assert ask_from_threads(places) == [None, None]
            assert (len(raised.up), raised.ended) == (1, 0)
            note(False)  # lost, and waiting again
            places.give_up(places.machines)
            ask_from_threads(places)
            assert len(raised.up) == 2
            note(True)
        places.give_up(places.machines)
        ask_from_threads(places)
        assert len(raised.up) == 3


def test_machines_that_cannot_be_ended_are_not_raised_anew(runner: RunnerParams) -> None:
    tries: list[int] = []

    @contextlib.contextmanager
    def raise_machines(count: int) -> Iterator[object]:
        tries.append(count)
        yield object()
        raise MachinesLeftError("Run 1 may go on to cost.", "end them.")

    with Places(runner, GRAPH, 1, raise_machines) as places:
        ask_from_threads(places)
        places.give_up(places.machines)
        for _ in range(2):
            assert [type(failure) for failure in ask_from_threads(places)] == [MachinesLeftError] * 2
    assert len(tries) == 1


def test_machines_wait_until_what_stages_need_is_where_they_get_it_from(runner: RunnerParams) -> None:
    raised = Raised()
    with Places(runner, GRAPH, 1, raised.raise_machines) as places, concurrent.futures.ThreadPoolExecutor(1) as pool:
        with places.preparing():  # another stage
            asked = pool.submit(places.ensure_workers)
            for _ in range(10):
                places.serve()
                time.sleep(0.05)
            assert raised.up == []
        places.serve()
        assert asked.result(10) is raised.up[0]


def test_whatever_a_stage_keeps_of_its_work_lies_where_it_is_sent_from() -> None:
    found = []
    for stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values():
        words = stage["cmd"].split()
        found += [words[words.index(option) + 1] for option in ("--checkpoints", "--journal") if option in words]
    assert len(found) >= 4
    assert {str(Path(path).parent) for path in found} == {str(HOME / name) for name in FOLDERS}
