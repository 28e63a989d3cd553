"""What machines will cost, and what they have cost. On-demand prices: an upper bound where spot machines are had."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flows.machines.cloud import Machine
from judgeforge.errors import InputError, JudgeforgeError
from judgeforge.params import MachineChoice, RunnerParams

_LEAST_BILLED = timedelta(seconds=60)
"""Billed by the second, a minute at the least (Amazon EC2's on-demand pricing)."""


class BudgetSpentError(JudgeforgeError):
    """The machines have cost what they may; another try would only cost more, so nobody should retry it."""

    exit_code = 2


@dataclass(frozen=True)
class Estimate:
    """What a run's machines will cost.

    Args:
        usd: at most: every machine is of the dearest type and works for its whole life.
        least_usd: at least: every machine is of the cheapest type and only starts.
        machines: how many.
        hours: of each, at most.
        likely_usd: at most, if the stages take as long as the last time; None: nobody knows how long they took.
    """

    usd: float
    least_usd: float
    machines: int
    hours: float
    likely_usd: float | None = None

    def add(self, spent: "Spent") -> "Estimate":
        """Return the estimate with what earlier machines of the run have cost already."""
        likely = None if self.likely_usd is None else self.likely_usd + spent.usd
        return replace(self, usd=self.usd + spent.usd, least_usd=self.least_usd + spent.usd, likely_usd=likely)

    def __str__(self) -> str:
        machines = "1 machine" if self.machines == 1 else f"{self.machines} machines"
        likely = "" if self.likely_usd is None else f"; {self.likely_usd:.2f} USD if it takes as long as the last time"
        bounds = f"at most {self.usd:.2f} USD ({machines}, {self.hours:.1f} h each), at least {self.least_usd:.2f} USD"
        return bounds + likely


@dataclass(frozen=True)
class Cost:
    """What one machine has cost.

    Args:
        machine: the machine.
        hours: from its launch to its end, or until now.
        usd: hours times the price of its type.
    """

    machine: Machine
    hours: float
    usd: float


@dataclass(frozen=True)
class Spent:
    """What a run's machines have cost so far.

    Args:
        usd: all of them.
        costs: of each, in the order of launch.
    """

    usd: float
    costs: tuple[Cost, ...]

    def __str__(self) -> str:
        each = ", ".join(f"{cost.machine.id} ({cost.machine.type}) {cost.hours:.2f} h" for cost in self.costs)
        return f"{self.usd:.2f} USD: {each or 'no machine'}"


def compute_estimate(settings: RunnerParams, machines: int, last_minutes: float | None = None) -> Estimate:
    """Estimate what a run will cost before it starts.

    How long the last one took says what is likely, and bounds nothing: the next may have another recipe.

    Args:
        settings: types, prices and limits.
        machines: how many.
        last_minutes: how long machines would work if all takes as long as the last time; None: nobody knows.
    """
    prices = [choice.hourly_usd for choice in settings.machines]
    most, least = settings.max_life_minutes, min(settings.start_minutes, settings.max_life_minutes)
    likely = None if last_minutes is None else min(last_minutes + settings.start_minutes, most)
    return Estimate(
        usd=machines * most / 60 * max(prices),
        least_usd=machines * least / 60 * min(prices),
        machines=machines,
        hours=most / 60,
        likely_usd=None if likely is None else machines * likely / 60 * max(prices),
    )


def check_budget(estimate: Estimate, max_usd: float | None) -> Estimate:
    """Refuse a run that cannot end within its budget; otherwise give its estimate back.

    Raises:
        InputError: not even the least of the estimate fits.
    """
    if max_usd is not None and estimate.least_usd > max_usd:
        raise InputError(
            f"The machines would cost {estimate}; the budget (runner.max_usd) is {max_usd:.2f} USD.",
            "raise the budget, or name cheaper machines, fewer workers or a shorter recipe.",
        )
    return estimate


def compute_spent(machines: Iterable[Machine], choices: Sequence[MachineChoice], now: datetime) -> Spent:
    """Add up what machines have cost.

    Args:
        machines: also those that have ended.
        choices: types and prices; a type that is not among them counts as the dearest.
        now: until when machines that run are counted.
    """
    prices = {choice.type: choice.hourly_usd for choice in choices}
    dearest = max(prices.values(), default=0.0)
    costs = []
    for machine in sorted(machines, key=lambda machine: (machine.launched, machine.id)):
        hours = max((machine.ended or now) - machine.launched, _LEAST_BILLED) / timedelta(hours=1)
        costs.append(Cost(machine, hours, hours * prices.get(machine.type, dearest)))
    return Spent(sum(cost.usd for cost in costs), tuple(costs))
