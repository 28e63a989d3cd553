"""``with gpu_runner(...) as machines``: up, watched, and always down."""

import contextlib
import logging
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.machines.choices import Choice, list_choices
from flows.machines.closing import note_known
from flows.machines.cloud import Cloud, Machine, Thing, is_run_name
from flows.machines.cost import Estimate, Spent, check_budget, compute_estimate, compute_spent
from flows.machines.guard import guarding
from flows.machines.needs import Needs
from flows.machines.opening import open_cloud
from flows.machines.raising import raise_machines
from flows.machines.site import Site
from flows.machines.terraform import Log, Terraform, find_terraform
from flows.machines.variables import build_variables
from flows.machines.watching import watching_budget
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.params import RunnerParams

_LOG = logging.getLogger("flows.machines")
_PATIENCE_S = 600.0
_POLL_S = 10.0


class Machines:
    """The machines of a run, as long as the run lasts and afterwards.

    Args:
        settings: of the recipe.
        cloud: tells what there is.
        run: whose.
        estimate: what they will cost.
        seen: the machines of the run that are known already, by their ids; those that come are put there.
    """

    def __init__(
        self, settings: RunnerParams, cloud: Cloud, run: str, estimate: Estimate, seen: dict[str, Machine]
    ) -> None:
        self.run, self.estimate = run, estimate
        self.outputs: dict[str, Any] = {}
        self._settings, self._cloud = settings, cloud
        self._seen = seen  # the provider forgets a machine an hour after its end
        self._looking = threading.Lock()

    def list_machines(self) -> list[Machine]:
        """Ask the provider which machines there are, those that have ended among them.

        Raises:
            EnvironmentFault: it does not answer.
        """
        with self._looking:
            now = datetime.now(UTC)
            found = {machine.id: machine for machine in self._cloud.list_machines(self.run)}
            for machine in [*found.values(), *(old for id, old in self._seen.items() if id not in found)]:
                self._seen[machine.id] = _note_end(machine, self._seen.get(machine.id), machine.id in found, now)
            return list(self._seen.values())

    def spent(self) -> Spent:
        """Return what the machines have cost, as far as they were last seen; asks nobody."""
        return compute_spent(list(self._seen.values()), self._settings.machines, datetime.now(UTC))

    def tell_spent(self, log: Log) -> None:
        """Ask the provider a last time, and tell what the machines have cost."""
        with contextlib.suppress(EnvironmentFault, InputError):
            self.list_machines()
        log.info("Spent on machines: %s.", self.spent())

    def look(self, folder: Path) -> Spent:
        """Ask the provider, note what there is in the run's folder, and return what it has cost."""
        machines = self.list_machines()
        if folder.is_dir():
            note_known(folder, [Thing("machine", one.id, self.run) for one in machines if one.state != "gone"])
        return self.spent()

    def end(self) -> None:
        """Begin to end the machines at once; the run's end does the rest."""
        self._cloud.end_things(
            [thing for thing in self._cloud.list_things(self.run) if thing.kind in {"group", "machine"}]
        )


def _note_end(machine: Machine, before: Machine | None, is_known: bool, now: datetime) -> Machine:
    """Give a machine that has ended the time of its end: the provider's, else when that was seen first."""
    if is_known and machine.state in {"starting", "running"}:
        return machine
    ended = machine.ended or (before.ended if before else None) or now
    return Machine(machine.id, machine.type, machine.zone, "gone", machine.launched, ended)


@contextlib.contextmanager
def gpu_runner(
    settings: RunnerParams,
    site: Site,
    run_id: str,
    machines: int,
    *,
    commit: str | None = None,
    needs: Needs = Needs(),  # noqa: B008 - it cannot be changed
    last_minutes: float | None = None,
    count_workers: Callable[[], int] | None = None,
    seen: dict[str, Machine] | None = None,
    log: Log = _LOG,
    patience_s: float = _PATIENCE_S,
    poll_s: float = _POLL_S,
) -> Iterator[Machines]:
    """Raise machines for a run, and end them whatever happens: also if this process is killed.

    Args:
        settings: of the recipe: types, limits and budget.
        site: the account.
        run_id: the flow run's; the machines bear it as a tag.
        machines: how many.
        commit: what they check out; None: HEAD.
        needs: what the recipe wants installed on them.
        last_minutes: how long they work if all takes as long as the last time, for the estimate; None: nobody knows.
        count_workers: how many of the machines work already; None: a machine that runs is taken to work.
        seen: the machines that were raised for this run before, for what they have cost; give the same one each time.
        log: takes what a person should know.
        patience_s: how long a provider that does not answer is waited for, each time.
        poll_s: how often spending is looked at.

    Raises:
        InputError, EnvironmentFault: refused; no machine to be had, or no answer.
        BudgetSpentError, MachinesLeftError: the budget is spent; machines could not be ended, and are named.
    """
    seen = {} if seen is None else seen
    estimate = _estimate(settings, machines, last_minutes, seen)
    tries = list_tries(settings, site, run_id, machines, commit or read_head(), needs)
    find_terraform()
    raised = Machines(settings, cloud := open_cloud(settings.provider, site), run_id, estimate, seen)
    log.info("Machines for run %s: %s.", run_id, estimate)
    try:
        with guarding(settings, site, run_id, patience_s, log) as folder:
            terraform = Terraform(site, run_id, folder, patience_s, log)
            with watching_budget(lambda: raised.look(folder), raised.end, settings.max_usd, poll_s, log):
                minutes = settings.start_minutes
                raised.outputs = raise_machines(terraform, cloud, run_id, tries, machines, minutes, count_workers, log)
                yield raised
    finally:
        raised.tell_spent(log)


def _estimate(settings: RunnerParams, machines: int, last_minutes: float | None, seen: dict[str, Machine]) -> Estimate:
    before = compute_spent(seen.values(), settings.machines, datetime.now(UTC))
    return check_budget(compute_estimate(settings, machines, last_minutes).add(before), settings.max_usd)


def list_tries(
    settings: RunnerParams, site: Site, run: str, machines: int, commit: str, needs: Needs
) -> list[tuple[Choice, dict[str, Any]]]:
    """Return the choices for a run in their order, each with Terraform's variables.

    Raises:
        InputError: the run's name can be none, or more than one machine is wanted of a site that raises a single one.
    """
    if machines < 1 or not is_run_name(run):
        raise InputError(f"No machines for run {run!r}: {machines}.", "give a flow run's id, and one at least.")
    if site.mode == "instance" and machines > 1:
        raise InputError(
            f"{machines} machines are wanted, and mode instance of the site's file raises one.",
            "set its mode to group, or runner.workers to 1.",
        )
    choices = list_choices(site.mode, [one.type for one in settings.machines], site.subnet_ids, settings.spot)
    return [(choice, build_variables(settings, site, run, choice, machines, commit, needs)) for choice in choices]


def read_head() -> str:
    """Return the commit that is checked out here.

    Raises:
        InputError: this is no checkout.
    """
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InputError("Machines check out a commit, and this is no git checkout.", "run the flow in a checkout.")
    return done.stdout.strip()
