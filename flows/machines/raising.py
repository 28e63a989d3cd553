"""Up: choice after choice, until machines run and their workers have come."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from flows.machines.choices import Choice
from flows.machines.cloud import Cloud
from flows.machines.terraform import CapacityFault, Log, Terraform
from judgeforge.errors import EnvironmentFault, JudgeforgeError

_POLL_S = 2.0
_SHORT_S = 120.0
"""How long a group without any machine may go on after the provider has said that it has none to give."""


class NoWorkersError(EnvironmentFault):
    """Machines run, but nothing works on them; other machines would fail the same way."""


def raise_machines(
    terraform: Terraform,
    cloud: Cloud,
    run: str,
    choices: Sequence[tuple[Choice, dict[str, Any]]],
    machines: int,
    start_minutes: float,
    count_workers: Callable[[], int] | None,
    log: Log,
) -> dict[str, Any]:
    """Try the choices in their order until machines run, and workers are there if they can be counted.

    Args:
        terraform: of the run.
        cloud: tells what runs.
        run: whose machines.
        choices: each with Terraform's variables.
        machines: how many are wanted. Fewer will do where no more come in time.
        start_minutes: how long they may take.
        count_workers: how many of them work; None: not asked.
        log: takes what a person should know.

    Returns:
        Terraform's outputs.

    Raises:
        NoWorkersError: machines run, and no worker came.
        EnvironmentFault: no choice could be had, or the provider does not answer.
        InputError: Terraform or the provider refuses.
    """
    said = "none came in time"
    for number, (choice, variables) in enumerate(choices, start=1):
        log.info("Machines wanted, try %d of %d: %d of %s.", number, len(choices), machines, choice)
        try:
            terraform.apply(variables)
        except CapacityFault as fault:
            said = fault.problem
            log.warning("%s", said)
            continue
        outputs = terraform.read_outputs()
        _end_strays(cloud, run, outputs, log)
        shortages = _Shortages(cloud, run, is_same_group=number > 1)
        if not (missing := _wait(cloud, run, machines, start_minutes, count_workers, shortages, log)):
            return outputs
        said = missing
        log.warning("No machine came: %s", said)
    raise EnvironmentFault(
        f"No machine could be had, by none of {len(choices)} choices; the last answer: {said}",
        "name other types in runner.machines, more subnets in the site's file, ask for a higher quota, or wait.",
    )


def _end_strays(cloud: Cloud, run: str, outputs: dict[str, Any], log: Log) -> None:
    """End what was made by an apply whose answer was lost, or which was killed: it would cost beside ours."""
    group = outputs.get("group_name")
    kind, ours = ("group", {group}) if group else ("machine", set(outputs.get("instance_ids", [])))
    try:
        strays = [thing for thing in cloud.list_things(run) if thing.kind == kind and thing.id not in ours]
        for thing in strays:
            log.warning("%s %s is of this run, and in no state of Terraform's; it is ended.", thing.kind, thing.id)
        cloud.end_things(strays)
    except EnvironmentFault as fault:
        log.warning("%s What an earlier apply may have left is ended with the run.", fault.problem)


class _Shortages:
    """What the provider says of a group without any machine, as far as it is about the choice at hand.

    A group that an earlier choice made is changed in place, and goes on to list what that one could not get. So what
    it had begun by the first look does not count; by the provider's own times, for clocks differ.

    Args:
        cloud: tells.
        run: whose group.
        is_same_group: whether an earlier choice may have made it.
    """

    def __init__(self, cloud: Cloud, run: str, *, is_same_group: bool) -> None:
        self._cloud, self._run = cloud, run
        self._is_marked, self._mark = not is_same_group, datetime.min.replace(tzinfo=UTC)
        self._since: float | None = None

    def look(self, now: float, has_machines: bool) -> str | None:
        """Say what the provider said, once the group has been without any machine for too long since; else None.

        Raises:
            EnvironmentFault: the provider does not answer.
        """
        if has_machines and self._is_marked:
            self._since = None
            return None
        activities = self._cloud.list_activities(self._run)
        if not self._is_marked:
            self._mark = max([self._mark, *(one.begun for one in activities)])
            self._is_marked = True
        said = [one.shortage for one in activities if one.shortage and one.begun > self._mark]
        if has_machines or not said:
            self._since = None
        elif self._since is None:
            self._since = now
        elif now - self._since > _SHORT_S:
            return said[0]
        return None


def _count(count_workers: Callable[[], int]) -> int:
    try:
        return count_workers()
    except JudgeforgeError:
        raise
    except Exception as error:  # whatever the caller asks with; it may be restarting
        raise EnvironmentFault(f"Workers could not be counted: {error!r}.", "look at the Prefect server.") from error


def _wait(
    cloud: Cloud,
    run: str,
    machines: int,
    start_minutes: float,
    count_workers: Callable[[], int] | None,
    shortages: "_Shortages",
    log: Log,
) -> str | None:
    """Wait for machines and workers, and tell why there is none; None: there are."""
    begun = time.monotonic()
    running = working = 0
    unanswered: EnvironmentFault | None = None
    while (now := time.monotonic()) - begun < start_minutes * 60:
        try:
            states = [machine.state for machine in cloud.list_machines(run)]
            running = states.count("running")
            working = _count(count_workers) if count_workers else running
            begun += time.monotonic() - now  # an answer that was long waited for is no fault of the machines
            unanswered = None
            if min(running, working) >= machines:
                log.info("%d machines run.", running)
                return None
            if shortage := shortages.look(now, running > 0 or "starting" in states):
                return shortage
        except EnvironmentFault as fault:  # it may answer the next time; what does not come in time is told below
            log.warning("%s", fault.problem)
            unanswered = fault
        time.sleep(_POLL_S)
    if working:
        log.warning(
            "Of %d machines wanted, %d run and %d work; the run goes on with those.", machines, running, working
        )
        return None
    if running:
        raise unanswered or NoWorkersError(
            f"{running} machines run, and none of them worked within {start_minutes:.0f} minutes.",
            "read a machine's console output (docs/machines.md says how), or raise runner.start_minutes.",
        )
    return f"none within {start_minutes:.0f} minutes"
