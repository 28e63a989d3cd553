"""What is asked for, and who has to agree: the gate, and where it is asked for, a person who has seen the decision."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from judgeforge.errors import JudgeforgeError
from judgeforge.files import load_json
from judgeforge.promote.decision import Decision, Record

Alias = Literal["challenger", "champion"]


class GateRefusedError(JudgeforgeError):
    """The gate said no, or could not decide: a result, not a fault. The judge stays registered as challenger."""

    exit_code = 3


class ApprovalAwaitedError(JudgeforgeError):
    """The gate let the judge through, but a person has to agree: a result, not a fault. It stays challenger."""

    exit_code = 4


@dataclass(frozen=True)
class Request:
    """What somebody asks for.

    Args:
        to: the alias that the judge is to carry.
        why: the reason, for the record; needed with ``force``.
        force: promote against the gate.
        only_version: do nothing unless the judge is this version: what was approved is what is promoted.
        approved_by: who has looked at the evidence and agrees; needed where ``promote.approval`` is on.
        decision_file: where the decision is written; beside it, as Markdown.
    """

    to: Alias = "champion"
    why: str = ""
    force: bool = False
    only_version: str | None = None
    approved_by: str | None = None
    decision_file: Path = Path("reports/decision.json")


def is_approved(decision: Decision, version: str, champion: str | None, request: Request) -> bool:
    """Whether somebody approves of just what was shown: this version against this champion, with these figures.

    Args:
        decision: of now.
        version: the challenger's.
        champion: the champion's; None: there is none.
        request: names the file in which the decision was shown, and who approves.
    """
    if not request.approved_by or not request.decision_file.is_file():
        return False
    try:
        shown = Record.model_validate(load_json(request.decision_file))
    except ValidationError:
        return False  # an older version's decision: this one is shown now, and may then be approved
    same = (shown.version, shown.champion) == (version, champion)
    return same and shown.decision == decision and (shown.awaits_approval or shown.approved_by == request.approved_by)


def require_consent(record: Record, request: Request) -> None:
    """Require the gate's consent, or force, and a person's where it is asked for.

    Raises:
        GateRefusedError: the gate says no, or cannot decide.
        ApprovalAwaitedError: a person has to agree.
    """
    decision = record.decision
    if decision.outcome == "refused" and not record.forced:
        raise GateRefusedError(decision.summary, "train a better judge, or promote with --force and --why.")
    if decision.outcome == "undecided" and not record.forced:
        raise GateRefusedError(
            decision.summary, "evaluate on more items, raise promote.margin, or promote with --force and --why."
        )
    if record.awaits_approval:
        raise ApprovalAwaitedError(
            f"Version {record.version} waits for approval. By the gate: {decision.summary}",
            f"read {request.decision_file.with_suffix('.md')}, then promote with --approved-by NAME.",
        )
