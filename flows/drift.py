"""The flow ``watch-champion``: does the judge in service still agree with people, on rows that they labelled lately?

It ends as *Agrees*, *Too few rows*, *No reference* or *Agreement fell*. All are completed runs: the flow did what it is
for. A fall is also an event (``judgeforge.champion.agreement-fell``), which automations can act on, and a notification.
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed
from prefect.tasks import exponential_backoff
from pydantic import NonNegativeFloat

from flows.commands import ending_commands, explain_exit, run_command
from flows.logs import find_logger
from flows.notify import TELL, link_run, link_version, notify
from flows.stages import may_pass
from judgeforge.audit.run import audit
from judgeforge.errors import InputError
from judgeforge.lineage import load_lock
from judgeforge.params import load_params
from judgeforge.promote.agreement import Agreement, check_least, compare_agreement
from judgeforge.promote.aliases import CHAMPION
from judgeforge.promote.candidate import Candidate, load_candidate
from judgeforge.promote.fetching import fetch_version, find_carrier
from judgeforge.promote.labelled import write_labelled
from judgeforge.promote.registry import JudgeVersion, Registry
from judgeforge.tracking import PARENT_VARIABLE, Run, check_tracking_server, stage_run
from judgeforge.training_sets import INSTRUCTIONS
from judgeforge.verdicts import METRICS_FILE, VERDICTS_FILE

EVENT = "judgeforge.champion.agreement-fell"
_JOURNALS = Path(".judgeforge/journal/watch")


@task(
    name="evaluate-champion",
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=30),
    retry_condition_fn=may_pass,
    cache_policy=NO_CACHE,
)
def evaluate_champion(version: JudgeVersion, benchmarks: Sequence[str], folder: Path, parent_run: str) -> Candidate:
    """Judge fresh rows by the champion's weights; rows that it may have been trained on are left out.

    Args:
        version: the champion.
        benchmarks: YAML files of the rows.
        folder: for the verdicts.
        parent_run: the MLflow run in which the evaluation's nests.

    Raises:
        InputError, EnvironmentFault: what the stage ``evaluate`` says.
    """
    params, log = load_params(), find_logger()
    judge, base = fetch_version(version)
    command = [sys.executable, "-m", "judgeforge.evaluate", "--judge", version.judge, "--model", str(judge)]
    command += ["--base", str(base)] if base else []
    for benchmark in benchmarks:
        command += ["--benchmark", benchmark]
    if trained := _find_training_sets():
        rows = params.evaluate.model_copy(update={"benchmarks": tuple(benchmarks)})
        audit(params.audit, rows, train=trained, benchmarks=Path(), out=folder / "audit.json")
        command += ["--audit", str(folder / "audit.json")]
    else:
        log.warning("There are no training sets here: rows that the champion was trained on cannot be left out.")
    command += ["--out", str(folder / "verdicts"), "--journal", str(_JOURNALS)]
    finished = run_command(command, {PARENT_VARIABLE: parent_run}, log.info)
    if finished.code:
        raise explain_exit("evaluate", finished.code, finished.output)
    return load_candidate(folder / "verdicts")


def _find_training_sets() -> list[Path]:
    outs = [Path(out["path"]) for out in load_lock().get("prepare", {}).get("outs", [])]
    return [path for path in outs if (path / INSTRUCTIONS).is_dir()]


@flow(name="watch-champion", on_failure=TELL, on_crashed=TELL, on_cancellation=TELL)
def watch_champion(
    rows: str, least: dict[str, float] | None = None, tolerated: NonNegativeFloat = 0.0
) -> "State[list[Agreement]]":
    """Evaluate the champion on freshly labelled rows, and say so if it agrees with people less than it did.

    Args:
        rows: JSON Lines of labelled rows, or the YAML file of a benchmark (docs/schedules.md).
        least: pearson or accuracy that is wanted, in place of what the champion reached when it was promoted.
        tolerated: how far either may have fallen without an alarm.
    """
    check_least(least or {})
    check_tracking_server()
    params, log = load_params(), find_logger()
    registry = Registry(params.promote.model_name)
    version = find_carrier(registry.name, CHAMPION)
    facts = {"rows": rows, "least": least or {}, "tolerated": tolerated}
    with (
        tempfile.TemporaryDirectory() as scratch,
        ending_commands(),
        stage_run("watch-champion", facts, {"version": version.number, "model": version.name}) as run,
    ):
        benchmarks = write_labelled(Path(rows), Path(scratch))
        fresh = evaluate_champion(version, benchmarks, Path(scratch), run.run_id)
        stored = _load_stored(registry, version)
        found = compare_agreement(
            fresh, stored, params.evaluate, params.promote, least=least or {}, tolerated=tolerated
        )
        page = render_agreement(version, found)
        _record(run, found, page, Path(scratch))
    log.info("%s", page)
    create_markdown_artifact(page, key="agreement", description="Whether the champion still agrees with people.")
    return conclude(version, found, page, run.run_id)


def _load_stored(registry: Registry, version: JudgeVersion) -> Candidate | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            return load_candidate(registry.download_verdicts(version, Path(folder)))
        except InputError as error:
            find_logger().warning("The champion's evidence cannot be read: %s", error.problem)
            return None


def _record(run: Run, found: Sequence[Agreement], page: str, scratch: Path) -> None:
    for each in found:
        ends = {"": each.fresh.value, "_low": each.fresh.low, "_high": each.fresh.high}
        ends |= {"_reference": each.reference, "_difference": each.difference.value}
        values = {f"{each.benchmark}/{each.measure}{end}": value for end, value in ends.items()}
        run.log_metrics({name: value for name, value in values.items() if value is not None})
        run.set_tags({f"finding.{each.benchmark}": each.finding})
    (scratch / "agreement.md").write_text(page)
    for name in (METRICS_FILE, VERDICTS_FILE):
        run.log_artifact(scratch / "verdicts" / name)
    run.log_artifact(scratch / "agreement.md")


def render_agreement(version: JudgeVersion, found: Sequence[Agreement]) -> str:
    """Render what was found as Markdown.

    Args:
        version: the champion.
        found: by set of rows.
    """
    lines = [f"Version {version.number} of {version.name} on freshly labelled rows:", ""]
    lines += ["| rows | measure | now | items, prompts | held against | it was | difference | |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for each in found:
        now = _render(each.fresh.value, each.fresh.low, each.fresh.high)
        gap = _render(each.difference.value, each.difference.low, each.difference.high)
        was = _render(each.reference, None, None)
        size = f"{each.items}, {each.prompts}"
        lines.append(
            f"| {each.benchmark} | {each.measure} | {now} | {size} | {each.against} | {was} | {gap} | {each.finding} |"
        )
    reasons = [f"{each.benchmark}: {each.why}." for each in found if each.why]
    return "\n".join([*lines, *(["", *reasons] if reasons else [])])


def _render(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"


def conclude(version: JudgeVersion, found: Sequence[Agreement], page: str, run_id: str) -> "State[list[Agreement]]":
    """Name how the run ends, and tell people of a fall.

    Args:
        version: the champion.
        found: by set of rows.
        page: what was found, as Markdown.
        run_id: of MLflow's run.
    """
    fell = [each for each in found if each.finding == "fell"]
    if fell:
        named = ", ".join(f"{each.measure} on {each.benchmark}" for each in fell)
        emit_event(
            EVENT,
            resource={"prefect.resource.id": f"judgeforge.model.{version.name}", "judgeforge.version": version.number},
            payload={"findings": [asdict(each) for each in found], "mlflow_run": run_id},
        )
        links = [*link_run(run_id), *link_version(version.name, version.number)]
        advice = (
            "Look at the rows, retrain with them or people's corrections, or 'judgeforge rollback' (docs/schedules.md)."
        )
        notify("drift", f"version {version.number} agrees with people less: {named}", f"{page}\n\n{advice}", links)
        return Completed(name="Agreement fell", message=named, data=list(found))
    unsaid = "; ".join(f"of {each.benchmark}, nothing can be said: {each.why}" for each in found if each.why)
    if any(each.finding == "agrees" for each in found):
        return Completed(name="Agrees", message=f"no fall was found{unsaid and '; '}{unsaid}", data=list(found))
    if any(each.finding == "no reference" for each in found):
        wanted = ", ".join(f"{each.measure}: ..." for each in found if each.finding == "no reference")
        remedy = f"state least: {{{wanted}}} (docs/schedules.md)"
        return Completed(name="No reference", message=f"{unsaid}; {remedy}", data=list(found))
    return Completed(name="Too few rows", message=unsaid, data=list(found))
