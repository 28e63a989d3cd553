"""Up: choice after choice, until machines run and their workers have come."""

import time
from collections.abc import Callable, Sequence
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
        shortage = _wait(cloud, run, machines, start_minutes, count_workers, log)
        if shortage is None:
            return outputs
        said = shortage
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
    log: Log,
) -> str | None:
    """Wait for machines and workers, and tell why there is none; None: there are."""
    begun = time.monotonic()
    running = working = 0
    short_since: float | None = None
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
            shortages = cloud.list_shortages(run) if not running and "starting" not in states else []
        except EnvironmentFault as fault:  # it may answer the next time; what does not come in time is told below
            log.warning("%s", fault.problem)
            shortages, unanswered = [], fault
        if not shortages:
            short_since = None
        elif short_since is None:
            short_since = now
        elif now - short_since > _SHORT_S:
            return shortages[0]
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
