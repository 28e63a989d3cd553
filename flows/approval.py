"""A person's approval: the flow run pauses with the decision in view until somebody answers in Prefect."""

from prefect.artifacts import create_markdown_artifact
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.settings import get_current_settings
from pydantic import Field

from flows.logs import Log
from flows.promote import DECISION
from judgeforge.files import load_json, read_text

_HOUR_S = 3600


class Approval(RunInput):
    """What the person answers.

    Args:
        approve: whether the judge is to become champion.
        name: who says so.
        comment: why.
    """

    approve: bool = Field(default=False, description="Is the judge to become champion?")
    name: str = Field(min_length=1, max_length=100, description="Your name, for the record.")
    comment: str = Field(default="", max_length=200, description="Why, for the record.")


def ask_for_approval(hours: int, log: Log) -> Approval | None:
    """Pause the flow run until somebody answers.

    Args:
        hours: how long to wait.
        log: the run's.

    Returns:
        The answer; None where nobody answered in time, or where there is no lasting Prefect server to answer at.
    """
    remedy = "read reports/decision.md, then 'judgeforge promote --approved-by NAME'"
    if not get_current_settings().api.url:
        log.info("The judge waits for approval: %s.", remedy)
        return None
    page = read_text(DECISION.with_suffix(".md"))
    create_markdown_artifact(page, key="decision", description="What the gate found about the challenger.")
    log.info("The judge waits %d hours for approval: resume this flow run, or %s.", hours, remedy)
    asked = Approval.with_initial_data(description=page)
    try:
        return pause_flow_run(wait_for_input=asked, timeout=hours * _HOUR_S)
    except FlowPauseTimeout:
        log.warning("Nobody approved within %d hours. The judge is registered: %s.", hours, remedy)
        return None


def read_version() -> str:
    """Return the version that the decision is about."""
    return str(load_json(DECISION)["version"])
