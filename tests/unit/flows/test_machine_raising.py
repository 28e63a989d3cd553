"""Which choice comes next, and when it is enough. Terraform and the cloud, the outermost edge, are played."""

import logging
import signal
import threading
import time
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from flows.machines import raising
from flows.machines.choices import Choice
from flows.machines.cloud import Activity, Machine, Thing
from flows.machines.cost import BudgetSpentError, Spent
from flows.machines.raising import NoWorkersError, raise_machines
from flows.machines.terraform import CapacityFault
from flows.machines.watching import watching_budget
from judgeforge.errors import EnvironmentFault, InputError

LOG = logging.getLogger("test")
SPOT, ON_DEMAND = Choice(("g6.xlarge",), ("a",), True), Choice(("g6.xlarge",), ("a",), False)
NONE_LEFT = "There is no Spot capacity available that matches your request."


class Played:
    """A cloud and its Terraform.

    Args:
        spot: how many machines come as spot machines.
        on_demand: how many otherwise.
        error: raised by the first apply.
    """

    def __init__(self, spot: int, on_demand: int, error: Exception | None = None) -> None:
        self.come = {True: spot, False: on_demand}
        self.error = error
        self.applied: list[bool] = []
        self.ended: list[str] = []
        self.things: list[Thing] = []
        self.activities: list[Activity] = []

    def apply(self, variables: dict[str, Any]) -> None:
        self.applied.append(variables["spot"])
        if self.error and len(self.applied) == 1:
            raise self.error

    def read_outputs(self) -> dict[str, Any]:
        return {"group_name": "ours"}

    def list_machines(self, run: str) -> list[Machine]:
        state: Literal["running"] = "running"
        return [
            Machine(f"i-{number}", "g6.xlarge", "a", state, datetime.now(UTC))
            for number in range(self.come[self.applied[-1]])
        ]

    def list_activities(self, run: str) -> list[Activity]:
        """A failure with each look at a group that has no machine; those before stay in the list."""
        if not self.list_machines(run):
            self.activities.insert(0, Activity(datetime.now(UTC), NONE_LEFT))
        return list(self.activities)

    def list_things(self, run: str) -> list[Thing]:
        return self.things

    def end_things(self, things: list[Thing]) -> None:
        self.ended += [thing.id for thing in things]


def go(played: Any, machines: int = 1, minutes: float = 0.01, workers: Any = None) -> dict[str, Any]:
    tries = [(choice, {"spot": choice.spot}) for choice in (SPOT, ON_DEMAND)]
    return raise_machines(played, played, "run-1", tries, machines, minutes, workers, LOG)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raising, "_POLL_S", 0.01)
    monkeypatch.setattr(raising, "_SHORT_S", 0.05)


def test_a_group_that_gets_nothing_gives_way_to_the_next_choice_as_soon_as_the_provider_says_so() -> None:
    played = Played(spot=0, on_demand=1)
    go(played, minutes=60)
    assert played.applied == [True, False]


class SlowOnDemand(Played):
    """Spot fails, and on demand the group, which is the same one, gets a machine later than a shortage may last."""

    def __init__(self, come_s: float, fault_at: int | None = None) -> None:
        super().__init__(spot=0, on_demand=0)
        self.come_s, self.fault_at, self.asked = come_s, fault_at, 0
        self.begun = 0.0

    def apply(self, variables: dict[str, Any]) -> None:
        super().apply(variables)
        self.begun = time.monotonic()

    def list_machines(self, run: str) -> list[Machine]:
        if not self.applied[-1] and time.monotonic() - self.begun > self.come_s:
            self.come[False] = 1
        return super().list_machines(run)

    def list_activities(self, run: str) -> list[Activity]:
        if self.applied[-1]:
            return super().list_activities(run)
        self.asked += 1
        if self.asked == self.fault_at:
            raise EnvironmentFault("AWS would not list activities.", "wait")
        return list(self.activities)


@pytest.mark.parametrize("fault_at", [None, 1])
def test_what_an_earlier_choice_could_not_get_is_not_held_against_the_next(fault_at: int | None) -> None:
    played = SlowOnDemand(come_s=0.5, fault_at=fault_at)
    go(played, minutes=60)
    assert played.applied == [True, False] and played.activities


def test_a_refused_apply_gives_way_too_and_what_is_said_comes_to_the_end() -> None:
    played = Played(0, 0, CapacityFault("InsufficientInstanceCapacity", "wait"))
    with pytest.raises(EnvironmentFault, match=r"by none of 2 choices.*no Spot capacity"):
        go(played, minutes=60)
    assert played.applied == [True, False]


def test_what_is_wrong_is_not_tried_with_other_machines() -> None:
    played = Played(1, 1, InputError("Invalid value", "mend it"))
    with pytest.raises(InputError, match="Invalid value"):
        go(played)
    assert played.applied == [True]


def test_fewer_machines_than_wanted_will_do_when_no_more_come() -> None:
    played = Played(spot=1, on_demand=2)
    assert go(played, machines=2)["group_name"] == "ours"
    assert played.applied == [True]


def test_machines_on_which_nothing_works_are_no_reason_to_try_others() -> None:
    played = Played(spot=1, on_demand=1)
    with pytest.raises(NoWorkersError, match="none of them worked"):
        go(played, workers=lambda: 0)
    assert played.applied == [True]


def test_a_server_that_is_restarting_is_asked_again_how_many_work() -> None:
    answers = iter([ConnectionError("refused"), 1])

    def count() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    go(Played(spot=1, on_demand=0), minutes=60, workers=count)
    assert list(answers) == []


def test_an_answer_that_was_long_waited_for_is_no_fault_of_the_machines() -> None:
    answers = iter([0, 1])

    def count() -> int:
        time.sleep(0.5)  # a server that is away is waited for
        return next(answers)

    go(Played(spot=1, on_demand=0), minutes=0.005, workers=count)


def test_where_nobody_could_tell_how_many_work_machines_may_be_raised_again() -> None:
    def count() -> int:
        raise ConnectionError("refused")

    with pytest.raises(EnvironmentFault, match="could not be counted") as caught:
        go(Played(spot=1, on_demand=0), workers=count)
    assert not isinstance(caught.value, NoWorkersError)


def test_a_group_that_terraform_does_not_know_is_ended_and_ours_is_not() -> None:
    played = Played(1, 1)
    played.things = [Thing("group", "ours", "run-1"), Thing("group", "lost", "run-1"), Thing("machine", "i-0", "run-1")]
    go(played)
    assert played.ended == ["lost"]


def test_a_spent_budget_breaks_off_what_the_main_thread_does_and_restores_the_signal() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with (
        pytest.raises(BudgetSpentError, match="budget of 5 USD"),
        watching_budget(lambda: Spent(5.0, ()), lambda: None, 5, 0.01, LOG),
    ):
        time.sleep(60)
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_spent_budget_is_told_once_so_that_the_orderly_stop_is_not_broken_off() -> None:
    begun, asked, stopped = threading.Event(), threading.Semaphore(0), False

    def look() -> Spent:
        asked.release()
        return Spent(5.0 if begun.is_set() else 0.0, ())

    with (
        pytest.raises(BudgetSpentError, match="budget of 5 USD"),
        watching_budget(look, lambda: None, 5, 0.01, LOG),
    ):
        try:
            begun.set()
            time.sleep(60)
        finally:
            while asked.acquire(blocking=False):
                pass
            for _ in range(3):  # a look's signal was sent before the next look
                assert asked.acquire(timeout=30)
            stopped = True
    assert stopped


def test_in_another_thread_the_machines_are_ended_and_the_error_comes_at_the_end() -> None:
    stopped = threading.Event()
    raised: list[BaseException] = []

    def work() -> None:
        try:
            with watching_budget(lambda: Spent(5.0, ()), stopped.set, 5, 0.01, LOG):
                assert stopped.wait(30)
        except BudgetSpentError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert (stopped.is_set(), len(raised)) == (True, 1)


def test_below_the_budget_or_where_the_cloud_does_not_answer_nothing_is_stopped() -> None:
    looked = threading.Event()
    asked: list[int] = []

    def look() -> Spent:
        asked.append(1)
        if len(asked) == 1:
            raise EnvironmentFault("AWS would not list machines.", "wait")
        looked.set()
        return Spent(4.99, ())

    with watching_budget(look, lambda: None, 5, 0.01, LOG):
        assert looked.wait(30)
