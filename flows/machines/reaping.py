"""What no flow and no guard has ended: found by tags and by Terraform's states, judged by what became of the run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from flows.machines.closing import MachinesLeftError, end_by_tags
from flows.machines.cloud import Cloud, Thing, is_run_name
from flows.machines.guard import RUNS, end_run, is_guarded
from flows.machines.site import Site
from flows.machines.terraform import DESCRIPTION, Log
from judgeforge.errors import EnvironmentFault, JudgeforgeError
from judgeforge.params import RunnerParams

Life = Literal["alive", "over", "not a flow run", "not known"]
"""Of a flow run at the server: not ended; ended, or deleted; its name is none; the server does not answer."""

_UNDATED = timedelta(days=2)
"""After so long a state without machines is taken for expired if its run's end cannot be asked for."""


@dataclass(frozen=True)
class Found:
    """What is left of a run.

    Args:
        run: its name.
        things: what bears its tags.
        changed: when Terraform's state of it changed last; None: there is none.
    """

    run: str
    things: tuple[Thing, ...]
    changed: datetime | None

    def is_expired(self, now: datetime) -> bool:
        """Whether the time of its machines is over by their own tags, or its state is an old one without any."""
        ends = [thing.expires for thing in self.things if thing.expires]
        if ends:
            return max(ends) < now
        return self.changed is not None and not self.things and now - self.changed > _UNDATED


def decide(life: Life, expired: bool, guarded: bool) -> str | None:
    """Say why what is left of a run is to be ended; None: it is not.

    Args:
        life: of its flow run.
        expired: whether its machines' time is over.
        guarded: whether a process of this machine is at work on it, ending it, too.
    """
    if guarded or life == "alive":
        return None
    if life == "over":
        return "its flow run is over"
    if expired:
        return f"its time is over (its flow run is {life})"
    return None


def find_left(cloud: Cloud) -> list[Found]:
    """Ask the provider and this machine's notes what there is of the owner's runs."""
    things, states = cloud.list_things(), cloud.list_states()
    folders = {path.parent.name for path in RUNS.glob(f"*/{DESCRIPTION}")}
    runs = sorted(filter(is_run_name, {thing.run for thing in things} | set(states) | folders))
    return [Found(run, tuple(one for one in things if one.run == run), states.get(run)) for run in runs]


def reap_machines(
    settings: RunnerParams, site: Site, cloud: Cloud, ask: Callable[[str], Life], patience_s: float, log: Log
) -> list[str]:
    """End what is left of runs that are over, one run after the other, the failure of one stopping no other.

    Args:
        settings: of the recipe; any will do.
        site: the account and the owner, whose runs alone are touched.
        cloud: finds and ends.
        ask: what became of a flow run.
        patience_s: how long a provider that does not answer is waited for.
        log: takes what a person should know.

    Returns:
        The runs whose remains have been ended.

    Raises:
        MachinesLeftError: of some run machines are left; all are named.
        EnvironmentFault: other remains could not be unmade.
    """
    ended: list[str] = []
    failures: list[JudgeforgeError] = []
    for found in find_left(cloud):
        life = ask(found.run)
        reason = decide(life, found.is_expired(datetime.now(UTC)), is_guarded(RUNS / found.run))
        described = ", ".join(f"{thing.kind} {thing.id}" for thing in found.things) or "nothing but notes of it"
        if reason is None:
            log.info("Run %s (%s) is left alone: %s.", found.run, life, described)
            continue
        log.warning("Run %s is reaped, for %s: %s.", found.run, reason, described)
        try:
            if found.changed or (RUNS / found.run).is_dir():
                end_run(settings, site, found.run, RUNS / found.run, patience_s, log)
            else:  # Terraform remembers nothing
                end_by_tags(cloud, found.run, found.things, patience_s, log)
                cloud.forget_state(found.run)
            ended.append(found.run)
        except JudgeforgeError as error:
            log.error("%s", error)
            failures.append(error)
    _raise_all(failures)
    return ended


def _raise_all(failures: Sequence[JudgeforgeError]) -> None:
    if not failures:
        return
    is_left = any(isinstance(failure, MachinesLeftError) for failure in failures)
    kind = MachinesLeftError if is_left else EnvironmentFault
    raise kind(
        " ".join(failure.problem for failure in failures),
        " ".join(dict.fromkeys(failure.remedy for failure in failures)),
    )
