"""Down: Terraform unmakes what it remembers, then what bears the run's tags is looked for and ended."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import tenacity

from flows.machines.cloud import COSTS, ENDING_ORDER, Cloud, Thing
from flows.machines.detached import stop_noted
from flows.machines.terraform import Log, Terraform
from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError
from judgeforge.files import load_json, write_json

_POLL_S = 2.0
_SETTLE_S = 5.0
"""What was asked for just before Terraform was killed may take so long to be listed (EC2 is eventually consistent)."""

_STOP_S = 1200.0
_GONE_S = 900.0
"""For machines to be gone; a large one takes minutes to shut down."""

_KNOWN = "known.json"
_T = TypeVar("_T")


class MachinesLeftError(EnvironmentFault):
    """Something of the run may be running still, and costs."""


def close_run(
    terraform: Terraform,
    variables: dict[str, object],
    cloud: Cloud,
    run: str,
    folder: Path,
    patience_s: float,
    log: Log,
) -> None:
    """End everything that was made for a run. Nothing to end is no error.

    Args:
        terraform: of the run.
        variables: any valid ones.
        cloud: finds what Terraform does not remember.
        run: whose machines.
        folder: the run's.
        patience_s: how long a provider that does not answer is waited for.
        log: takes what a person should know.

    Raises:
        MachinesLeftError: it could not be ended, or nobody can tell; names what is known.
        EnvironmentFault, InputError: no machine is left, but Terraform could not unmake the rest.
    """
    stop_noted(folder / "terraform.json", _STOP_S)
    failure: JudgeforgeError | None = None
    try:
        terraform.destroy(variables)
    except JudgeforgeError as error:
        failure = error
        log.warning("%s What bears the run's tags is ended one by one.", error.problem)
    end_by_tags(cloud, run, load_known(folder), patience_s, log)
    if failure:
        raise type(failure)(f"All machines of run {run} are gone, but {failure.problem}", failure.remedy) from failure
    _insisting(lambda: cloud.forget_state(run), patience_s)


def end_by_tags(cloud: Cloud, run: str, known: Sequence[Thing], patience_s: float, log: Log) -> None:
    """End what bears the run's tags, and wait until it is gone.

    Args:
        cloud: finds and ends.
        run: whose.
        known: what was there when last seen, to be named if the provider does not answer.
        patience_s: how long a provider that does not answer is waited for.
        log: takes what a person should know.

    Raises:
        MachinesLeftError: something is left, or nobody can tell.
    """
    left = list(known)
    deadline = time.monotonic() + _GONE_S
    told: set[Thing] = set()
    empty_since: float | None = None
    try:
        while time.monotonic() < deadline:
            left = _insisting(lambda: cloud.list_things(run), patience_s)
            if not left:
                empty_since = empty_since or time.monotonic()
                if time.monotonic() - empty_since > _SETTLE_S:
                    return
            else:
                empty_since = None
                for thing in (thing for thing in left if thing not in told):
                    log.warning("Left of run %s, and ended by its tags: %s %s.", run, thing.kind, thing.id)
                told |= set(left)
                ordered = sorted(left, key=lambda thing: ENDING_ORDER.index(thing.kind))
                _insisting(lambda things=ordered: cloud.end_things(things), patience_s)  # type: ignore[misc]
            time.sleep(_POLL_S)
        reason = f"they are still there after {_GONE_S / 60:.0f} minutes"
    except JudgeforgeError as error:
        reason = error.problem
    costly = [thing for thing in left if thing.kind in COSTS] or left
    names = ", ".join(f"{thing.kind} {thing.id}" for thing in costly) or "whatever it has"
    raise MachinesLeftError(
        f"Run {run} may go on to cost: {names} not known to be ended: {reason}", cloud.describe_remedy(costly)
    )


def _insisting(ask: Callable[[], _T], patience_s: float) -> _T:
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(EnvironmentFault),
        stop=tenacity.stop_after_delay(patience_s),
        wait=tenacity.wait_random_exponential(multiplier=1, min=1, max=15),
        reraise=True,
    ):
        with attempt:
            return ask()
    raise AssertionError("tenacity ends by a result or an error")


def note_known(folder: Path, things: Iterable[Thing]) -> None:
    """Write down what a run has, so that it can be named when the provider does not answer."""
    write_json(folder / _KNOWN, [{"kind": thing.kind, "id": thing.id, "run": thing.run} for thing in things])


def load_known(folder: Path) -> list[Thing]:
    """Read what a run had when it was last looked at."""
    try:
        return [Thing(**entry) for entry in load_json(folder / _KNOWN)]
    except (InputError, TypeError):
        return []
