"""Register a judge and, if the gate lets it, make it champion; every decision is kept with the version."""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from textwrap import shorten

from judgeforge.engines.fingerprint import digest_weights
from judgeforge.errors import InputError
from judgeforge.files import write_json, write_text
from judgeforge.params import EvaluateParams, PromoteParams
from judgeforge.progress import say
from judgeforge.promote.aliases import CHALLENGER, CHAMPION
from judgeforge.promote.candidate import Candidate, load_candidate
from judgeforge.promote.consent import Request, is_approved, require_consent
from judgeforge.promote.decision import Decision, Record
from judgeforge.promote.evidence import Evidence
from judgeforge.promote.figures import load_metrics
from judgeforge.promote.gate import CHAMPION_NAME, FIRST_NAME, Standing, decide
from judgeforge.promote.ledger import Entry, OvertakenError, check_name, check_reason
from judgeforge.promote.limits import Drawing
from judgeforge.promote.registry import JudgeVersion, Registry
from judgeforge.promote.standing import load_standing
from judgeforge.promote.succession import Succession
from judgeforge.promote.summary import render_markdown
from judgeforge.tracking import name_user

_LONGEST_SUMMARY = 600
"""Characters of a decision's sentence in the ledger; the decision itself has all of them."""


def promote(evidence: Evidence, params: PromoteParams, engine: EvaluateParams, request: Request) -> JudgeVersion:
    """Register the judge as challenger and, where it is to be champion, ask the gate and move the alias.

    Args:
        evidence: the judge's weights, metrics, report and verdicts, and its rivals' verdicts.
        params: the section ``promote``.
        engine: the section ``evaluate``.
        request: what is asked for.

    Raises:
        GateRefusedError: a condition of the gate does not hold, or cannot be decided.
        ApprovalAwaitedError: it could be champion, but for somebody's approval.
        OvertakenError: another judge became champion meanwhile, or another call changed the registry.
        InputError: forced without a reason, a retired judge, or evidence that does not belong to the judge.
        EnvironmentFault: the registry is not there.
    """
    check_reason(request.why, needed=request.force)
    check_name(request.approved_by)
    judges, challenger = _list_judges(evidence), _load_challenger(evidence)
    registry = Registry(params.model_name)
    version = registry.register(evidence, params, engine)
    say(f"{version.name} version {version.number} is {CHALLENGER}{'' if version.created else ' (the same weights)'}.")
    entries, state, _ = registry.settle()
    _refuse_other(version, state, request)
    if request.to == CHALLENGER:
        return version
    if state.champion == version.number:
        say(f"{version.name} version {version.number} is {CHAMPION} already.")
        return version
    _refuse_retired(version, state)
    champion = registry.find_version(state.champion) if state.champion else None
    first = None if champion is None else registry.find_first_champion()
    standings, notes = _gather_standings(registry, champion, first, version, challenger, evidence, request.force)
    known = {} if champion else {name: place for name, place in evidence.rivals.items() if name in judges}
    rivals = {name: _load_rival(name, place, challenger) for name, place in known.items()}
    drawing = Drawing(params.alpha, engine.bootstrap_resamples, engine.seed)
    decision = decide(challenger, standings, rivals, params, drawing, notes)
    agreed = not params.approval or is_approved(decision, version.number, state.champion, request)
    record = _build_record(decision, version, champion, first, request, agreed)
    registry.record_decision(version, record)
    write_json(request.decision_file, record.model_dump(mode="json"))
    write_text(request.decision_file.with_suffix(".md"), render_markdown(record))
    require_consent(record, request)
    registry.commit(_build_entry(record, request), entries)
    said = record.why if record.why and record.forced else decision.summary
    say(f"{version.name} version {version.number} is {CHAMPION}. {said}")
    return version


def _list_judges(evidence: Evidence) -> Collection[str]:
    judges = load_metrics(evidence.metrics).keys()
    if evidence.judge not in judges:
        raise InputError(f"{evidence.metrics} has no judge {evidence.judge!r}.", "add it to matrix.judges.")
    return judges


def _load_challenger(evidence: Evidence) -> Candidate:
    """Load the challenger; its verdicts must be its weights' own, if their evaluation wrote down whose they are."""
    challenger = load_candidate(evidence.verdicts)
    if challenger.weights is not None and challenger.weights != digest_weights(evidence.model):
        raise InputError(
            f"The verdicts in {evidence.verdicts} are not those of the weights in {evidence.model}.",
            "evaluate the judge again with 'dvc repro', or name its own evaluation.",
        )
    return challenger


def _load_rival(name: str, place: Path, challenger: Candidate) -> Candidate:
    """Load a rival of a first champion; one that judged other items would be beaten by chance, or never."""
    rival, wanted = load_candidate(place), challenger.conditions.contents
    other = [each for each, digest in rival.conditions.contents.items() if wanted.get(each, digest) != digest]
    if other:
        raise InputError(
            f"The evaluation of {name} in {place} holds other items of {', '.join(other)} than the challenger's.",
            "evaluate it again with 'dvc repro'.",
        )
    return rival


def _refuse_other(version: JudgeVersion, state: Succession, request: Request) -> None:
    if version.number in state.collected:
        raise OvertakenError(
            f"The weights of version {version.number} were given up meanwhile ('judgeforge gc').",
            "ask again: they are registered anew.",
        )
    if request.only_version is not None and version.number != request.only_version:
        raise InputError(
            f"The judge here is version {version.number}, not {request.only_version}.",
            "it was trained again meanwhile: ask for approval of the new one.",
        )


def _refuse_retired(version: JudgeVersion, state: Succession) -> None:
    retirement = state.find_retirement(version.number)
    if retirement is not None:
        raise InputError(
            f"{retirement.describe().capitalize()}: {retirement.why}",
            f"take it back into service first: 'judgeforge retire {version.number} --undo --why ...'.",
        )


def _build_entry(record: Record, request: Request) -> Entry:
    """Build the entry of a promotion; its figures are those of what the judge was to be better in."""
    compared = [each for each in record.decision.checks if each.kind in ("superiority", "rival")]
    return Entry(
        action="promote",
        versions=(record.version,),
        before=record.champion,
        who=record.who,
        why=record.why,
        forced=record.forced,
        approved_by=record.approved_by,
        summary=shorten(record.decision.summary, _LONGEST_SUMMARY, placeholder=" ..."),
        figures={each.name: round(each.challenger, 4) for each in compared if each.challenger is not None},
    )


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
    request: Request,
    agreed: bool,
) -> Record:
    forced = request.force and decision.outcome != "promoted"
    return Record(
        who=name_user(),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        why=request.why,
        forced=forced,
        awaits_approval=not agreed and (forced or decision.outcome == "promoted"),
        approved_by=request.approved_by if agreed else None,
        model=version.name,
        version=version.number,
        champion=champion.number if champion else None,
        first_champion=first.number if first else None,
        decision=decision,
    )
