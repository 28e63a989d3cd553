"""The flow ``promote``: register the judge that params.yaml names and let the gate decide. ``retrain`` ends so, too."""

import sys
from pathlib import Path
from typing import Literal

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from pydantic import PositiveInt

from flows.commands import ending_commands, explain_exit, run_command
from flows.logs import find_logger
from flows.notify import TELL, link_run, link_version, notify
from judgeforge.files import load_json
from judgeforge.tracking import PARENT_VARIABLE, check_tracking_server

Outcome = Literal["registered", "promoted", "refused", "awaits approval"]
DECISION = Path("reports/decision.json")
AWAITED: Outcome = "awaits approval"
_LONGEST_REASON = 500  # as judgeforge.promote takes it
_REFUSED, _AWAITED = 3, 4
"""Exit statuses of judgeforge.promote: the gate says no, or cannot decide; a person has to agree."""


@task(name="promote", task_run_name="promote", cache_policy=NO_CACHE)
def promote_judge(
    to: str, why: str, force: bool = False, parent_run: str | None = None, approved: tuple[str, str] | None = None
) -> Outcome:
    """Run ``python -m judgeforge.promote``.

    Args:
        to: ``challenger`` (register only) or ``champion`` (ask the gate, too).
        why: the reason, for the record.
        force: promote against the gate.
        parent_run: the MLflow run in which the registration nests.
        approved: the version that was approved, and who approved it.

    Raises:
        InputError, EnvironmentFault: what the program says.
    """
    log = find_logger()
    command = [sys.executable, "-m", "judgeforge.promote", "--to", to, "--why", why, *(["--force"] if force else [])]
    if approved:
        command += ["--only-version", approved[0], "--approved-by", approved[1]]
    finished = run_command(command, {PARENT_VARIABLE: parent_run} if parent_run else {}, log.info)
    if finished.code == _REFUSED:
        return "refused"
    if finished.code == _AWAITED:
        return AWAITED
    if finished.code:
        raise explain_exit("promote", finished.code, finished.output)
    if to != "champion":
        return "registered"
    _tell_promotion(parent_run)
    return "promoted"


def _tell_promotion(parent_run: str | None) -> None:
    decision = load_json(DECISION)
    model = decision["model"]
    before = f"It takes the place of version {decision['champion']}." if decision["champion"] else "It is the first."
    links = [*link_version(model, str(decision["version"])), *(link_run(parent_run) if parent_run else [])]
    notify("promotion", f"{model} version {decision['version']} is champion", before, links)


def seek_approval(why: str, force: bool, hours: int) -> Outcome:
    """Pause the flow until a person answers, and act on the answer: the gate is asked again, for much may have changed.

    Args:
        why: the reason, for the record.
        force: promote against the gate.
        hours: how long to wait.
    """
    from flows.approval import ask_for_approval, read_version  # noqa: PLC0415 - only where approval is asked for

    log, version = find_logger(), read_version()
    answer = ask_for_approval(hours, log)
    if answer is None:
        return AWAITED
    if not answer.approve:
        log.info("%s does not approve of version %s: %s", answer.name, version, answer.comment or "no reason given")
        return "refused"
    reason = "; ".join(filter(None, (why, answer.comment)))[:_LONGEST_REASON]
    with ending_commands():
        return promote_judge("champion", reason, force, approved=(version, answer.name))


@flow(name="promote", on_failure=TELL, on_crashed=TELL, on_cancellation=TELL)
def promote(
    to: Literal["challenger", "champion"] = "champion",
    why: str = "",
    force: bool = False,
    approval_hours: PositiveInt = 72,
) -> Outcome:
    """Register the judge and let the gate decide, apart from any training.

    Args:
        to: ``challenger`` or ``champion``.
        why: the reason, for the record.
        force: promote against the gate; needs ``why``.
        approval_hours: how long the run pauses for a person's approval, where ``promote.approval`` is on.
    """
    check_tracking_server()
    with ending_commands():
        outcome = promote_judge(to, why, force)
    return seek_approval(why, force, approval_hours) if outcome == AWAITED else outcome
