"""Register a judge and, if the gate lets it, make it champion; every decision is kept with the version."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from judgeforge.errors import InputError, JudgeforgeError
from judgeforge.files import write_json
from judgeforge.params import EvaluateParams, PromoteParams, Reference
from judgeforge.progress import say
from judgeforge.promote.evidence import Evidence
from judgeforge.promote.gate import Decision, JudgeMetrics, decide, load_metrics
from judgeforge.promote.registry import CHALLENGER, CHAMPION, JudgeVersion, Registry
from judgeforge.tracking import name_user

Alias = Literal["challenger", "champion"]


class GateRefusedError(JudgeforgeError):
    """The gate said no: a result, not a fault. The judge stays registered as challenger."""

    exit_code = 3


def promote(
    evidence: Evidence,
    params: PromoteParams,
    engine: EvaluateParams,
    *,
    to: Alias,
    why: str,
    force: bool,
    decision_file: Path,
) -> JudgeVersion:
    """Register the judge as challenger and, where ``to`` is champion, ask the gate and move the alias.

    Args:
        evidence: the judge's weights, metrics, report and verdicts.
        params: the section ``promote``.
        engine: the section ``evaluate``.
        to: the alias that the judge is to carry.
        why: the reason, for the record; needed with ``force``.
        force: promote against the gate.
        decision_file: where the decision is written for a person.

    Raises:
        GateRefusedError: a condition of the gate does not hold.
        InputError: forced without a reason, or metrics that do not name the judge.
        EnvironmentFault: the registry is not there.
    """
    if force and not why.strip():
        raise InputError("A forced promotion needs a reason.", "give one with --why.")
    metrics = load_metrics(evidence.metrics)
    if evidence.judge not in metrics:
        raise InputError(f"{evidence.metrics} has no judge {evidence.judge!r}.", "add it to matrix.judges.")
    registry = Registry(params.model_name)
    version = registry.register(evidence, params, engine)
    say(f"{version.name} version {version.number} is {CHALLENGER}{'' if version.created else ' (the same weights)'}.")
    champion = registry.find_alias(CHAMPION)
    if to == CHALLENGER:
        return version
    if champion is not None and champion.number == version.number:
        say(f"{version.name} version {version.number} is {CHAMPION} already.")
        return version
    rivals = {
        name: entry
        for name, entry in metrics.items()
        if name in ("base", "form", *get_args(Reference)) and name != evidence.judge
    }
    standing = None if champion is None else _load_standing(registry, champion, force)
    decision = decide(metrics[evidence.judge], standing, rivals, params)
    _settle(registry, decision, version, champion, why, force, decision_file)
    return version


def _load_standing(registry: Registry, champion: JudgeVersion, force: bool) -> JudgeMetrics:
    try:
        return registry.load_metrics(champion)
    except InputError:
        if not force:
            raise
        return {}  # nothing to compare with: no gain can be shown, and the reason given must do


def _settle(
    registry: Registry,
    decision: Decision,
    version: JudgeVersion,
    champion: JudgeVersion | None,
    why: str,
    force: bool,
    decision_file: Path,
) -> None:
    """Record the decision, then act on it: a champion without a record must not exist."""
    record = {
        "who": name_user(),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "why": why,
        "forced": force and not decision.promoted,
        "model": version.name,
        "version": version.number,
        "champion": champion.number if champion else None,
    }
    document = record | {"decision": decision.to_json()}
    registry.record_decision(version, document)
    write_json(decision_file, document)
    if not decision.promoted and not force:
        raise GateRefusedError(decision.summary, "train a better judge, or promote with --force and --why.")
    tags = {f"promoted_{key}": str(record[key]) for key in ("who", "when", "why", "forced")}
    registry.crown(version, champion, tags | {"decision": decision.summary})
    say(f"{version.name} version {version.number} is {CHAMPION}. {decision.summary if decision.promoted else why}")
