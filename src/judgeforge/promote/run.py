"""Register a judge and, if the gate lets it, make it champion; every decision is kept with the version."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from judgeforge.errors import InputError, JudgeforgeError
from judgeforge.files import write_json, write_text
from judgeforge.params import EvaluateParams, PromoteParams
from judgeforge.progress import say
from judgeforge.promote.candidate import Candidate, load_candidate
from judgeforge.promote.decision import Decision, Record
from judgeforge.promote.evidence import Evidence
from judgeforge.promote.figures import load_metrics
from judgeforge.promote.gate import CHAMPION_NAME, FIRST_NAME, Standing, decide
from judgeforge.promote.limits import Drawing
from judgeforge.promote.registry import CHALLENGER, CHAMPION, FIRST_TAG, JudgeVersion, Registry
from judgeforge.promote.standing import load_standing
from judgeforge.promote.summary import render_markdown
from judgeforge.tracking import name_user

Alias = Literal["challenger", "champion"]


class GateRefusedError(JudgeforgeError):
    """The gate said no, or could not decide: a result, not a fault. The judge stays registered as challenger."""

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
        evidence: the judge's weights, metrics, report and verdicts, and its rivals' verdicts.
        params: the section ``promote``.
        engine: the section ``evaluate``.
        to: the alias that the judge is to carry.
        why: the reason, for the record; needed with ``force``.
        force: promote against the gate.
        decision_file: where the decision is written; beside it, as Markdown.

    Raises:
        GateRefusedError: a condition of the gate does not hold, or cannot be decided.
        InputError: forced without a reason, or evidence that does not belong to the judge.
        EnvironmentFault: the registry is not there.
    """
    if force and not why.strip():
        raise InputError("A forced promotion needs a reason.", "give one with --why.")
    metrics = load_metrics(evidence.metrics)
    if evidence.judge not in metrics:
        raise InputError(f"{evidence.metrics} has no judge {evidence.judge!r}.", "add it to matrix.judges.")
    challenger = load_candidate(evidence.verdicts)
    registry = Registry(params.model_name)
    version = registry.register(evidence, params, engine)
    say(f"{version.name} version {version.number} is {CHALLENGER}{'' if version.created else ' (the same weights)'}.")
    champion = registry.find_alias(CHAMPION)
    if to == CHALLENGER:
        return version
    if champion is not None and champion.number == version.number:
        say(f"{version.name} version {version.number} is {CHAMPION} already.")
        return version
    first = None if champion is None else registry.find_first_champion()
    standings, notes = _gather_standings(registry, champion, first, version, challenger, evidence, force)
    known = {} if champion else {name: place for name, place in evidence.rivals.items() if name in metrics}
    rivals = {name: load_candidate(place) for name, place in known.items()}
    drawing = Drawing(params.alpha, engine.bootstrap_resamples, engine.seed)
    decision = decide(challenger, standings, rivals, params, drawing, notes)
    record = _build_record(decision, version, champion, first, why, force)
    _settle(registry, record, version, champion, decision_file)
    return version


def _gather_standings(
    registry: Registry,
    champion: JudgeVersion | None,
    first: JudgeVersion | None,
    version: JudgeVersion,
    challenger: Candidate,
    evidence: Evidence,
    force: bool,
) -> tuple[list[Standing], list[str]]:
    """Load whoever the challenger has to stand against; a forced promotion goes on without those that are lost."""
    standings, notes = [], []
    asked = {CHAMPION_NAME: champion, FIRST_NAME: first}
    if champion is not None and first is None:
        notes.append(f"No version is known to be the first champion: the margin is held against {CHAMPION_NAME} alone.")
    for name, each in asked.items():
        if each is None or each.number == version.number:
            continue
        if name == FIRST_NAME and champion is not None and each.number == champion.number:
            continue
        try:
            candidate, note = load_standing(registry, each, name, challenger.conditions, evidence.options)
        except InputError as error:
            if not force:
                raise
            candidate, note = None, f"The verdicts of {name} (version {each.number}) cannot be had: {error.problem}"
        standings.append(Standing(name, candidate))
        notes.append(note)
    return standings, notes


def _build_record(
    decision: Decision,
    version: JudgeVersion,
    champion: JudgeVersion | None,
    first: JudgeVersion | None,
    why: str,
    force: bool,
) -> Record:
    return Record(
        who=name_user(),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        why=why,
        forced=force and decision.outcome != "promoted",
        model=version.name,
        version=version.number,
        champion=champion.number if champion else None,
        first_champion=first.number if first else None,
        decision=decision,
    )


def _settle(
    registry: Registry, record: Record, version: JudgeVersion, champion: JudgeVersion | None, decision_file: Path
) -> None:
    """Record the decision, then act on it: a champion without a record must not exist."""
    registry.record_decision(version, record)
    write_json(decision_file, record.model_dump(mode="json"))
    write_text(decision_file.with_suffix(".md"), render_markdown(record))
    decision = record.decision
    if decision.outcome == "refused" and not record.forced:
        raise GateRefusedError(decision.summary, "train a better judge, or promote with --force and --why.")
    if decision.outcome == "undecided" and not record.forced:
        raise GateRefusedError(
            decision.summary, "evaluate on more items, raise promote.margin, or promote with --force and --why."
        )
    tags = {f"promoted_{key}": str(getattr(record, key)) for key in ("who", "when", "why", "forced")}
    first = {FIRST_TAG: "true"} if champion is None else {}
    registry.crown(version, champion, tags | first | {"decision": decision.summary})
    said = why if (why := record.why) and record.forced else decision.summary
    say(f"{version.name} version {version.number} is {CHAMPION}. {said}")
