"""What machines will cost and have cost: by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from machine_settings import build_settings

from flows.machines.cloud import Machine
from flows.machines.cost import check_budget, compute_estimate, compute_spent
from judgeforge.errors import InputError

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def build_machine(id: str, type: str, minutes: float, ended: bool) -> Machine:
    end = NOON if ended else None
    return Machine(id, type, "a", "gone" if ended else "running", NOON - timedelta(minutes=minutes), end)


def test_the_estimate_reaches_from_a_start_of_the_cheapest_type_to_a_life_of_the_dearest() -> None:
    estimate = compute_estimate(build_settings(), machines=2)
    assert (estimate.usd, estimate.least_usd, estimate.hours) == (2 * 10 * 2.0, 2 * 0.25 * 1.0, 10.0)
    assert estimate.likely_usd is None and "last time" not in str(estimate)


def test_how_long_it_took_the_last_time_says_what_is_likely_and_bounds_nothing() -> None:
    estimate = compute_estimate(build_settings(), machines=2, last_minutes=105)
    assert (estimate.usd, estimate.least_usd, estimate.likely_usd) == (40.0, 0.5, 2 * 2.0 * 2.0)
    assert str(estimate).endswith("at least 0.50 USD; 8.00 USD if it takes as long as the last time")
    check_budget(estimate, 0.6)  # the next one may be far shorter
    spent = compute_spent([build_machine("i-1", "g6.xlarge", 60, ended=True)], build_settings().machines, NOON)
    assert estimate.add(spent).likely_usd == 9.0


def test_no_machine_outlives_its_life() -> None:
    estimate = compute_estimate(build_settings(max_life_minutes=60), machines=1, last_minutes=600)
    assert (estimate.usd, estimate.likely_usd) == (2.0, 2.0)


def test_a_budget_below_the_least_is_refused_and_one_above_it_is_not() -> None:
    estimate = compute_estimate(build_settings(), machines=2)
    check_budget(estimate, None)
    check_budget(estimate, 0.5)
    with pytest.raises(InputError, match=r"at least 0\.50 USD.*budget \(runner\.max_usd\) is 0\.49"):
        check_budget(estimate, 0.49)


def test_spent_is_by_type_from_launch_to_end_or_until_now() -> None:
    machines = [build_machine("i-2", "g5.xlarge", 30, ended=True), build_machine("i-1", "g6.xlarge", 90, ended=False)]
    spent = compute_spent(machines, build_settings().machines, NOON + timedelta(minutes=30))
    assert [(cost.machine.id, cost.usd) for cost in spent.costs] == [("i-1", 2.0), ("i-2", 1.0)]
    assert spent.usd == 3.0


def test_a_machine_of_another_type_counts_as_the_dearest_and_each_for_a_minute_at_the_least() -> None:
    spent = compute_spent([build_machine("i-1", "p5.48xlarge", 0, ended=True)], build_settings().machines, NOON)
    assert spent.usd == pytest.approx(2.0 / 60)


def test_no_machine_costs_nothing() -> None:
    assert str(compute_spent([], build_settings().machines, NOON)) == "0.00 USD: no machine"
