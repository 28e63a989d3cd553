"""The flow ``retrain``: run what is stale by DVC's graph, record it as one MLflow run, register and promote the judge.

Run it in the repository's root: ``python -m flows.retrain``. With no server named in the environment, Prefect starts a
temporary one and MLflow writes to a file.
"""

import concurrent.futures
import logging
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectConcurrentFuture
from prefect.settings import get_current_settings
from prefect.tasks import exponential_backoff
from pydantic import PositiveInt

from flows.commands import ending_commands, explain_stage, is_stopping, run_command
from flows.pipeline import Graph, find_stale_stages, is_busy, load_graph, select_stages
from flows.promote import AWAITED, find_logger, promote_judge, seek_approval
from flows.workspace import choose_parallelism, has_been_retrained, note_retrained, workspace_lock
from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError
from judgeforge.lineage import describe_lineage, find_out
from judgeforge.params import load_params
from judgeforge.progress import say
from judgeforge.servers import check_server
from judgeforge.stage import DEBUG_VARIABLE
from judgeforge.stage import run_stage as run_program
from judgeforge.tracking import PARENT_VARIABLE, Run, check_tracking_server, stage_run

Outcome = Literal["nothing changed", "registered", "promoted", "refused", "awaits approval"]
Future = PrefectConcurrentFuture[None]
_BUSY_PAUSE_S, _BUSY_LIMIT_S = 1.0, 1800.0
_WAKE_S = 0.5
"""A main thread that waits without end was seen to miss Ctrl-C (Python 3.11, with Prefect's threads beside it)."""

_NOTHING = "Nothing changed: no stage ran, and the judge is registered."


class _OneLine(logging.Filter):
    """Keep tracebacks of errors that a person is meant to read out of Prefect's log."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, JudgeforgeError) and os.environ.get(DEBUG_VARIABLE) != "1":
            record.exc_info = record.exc_text = None
            record.msg, record.args = str(error), ()
        return True


for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_OneLine())


def may_pass(_task: Any, _run: Any, state: Any) -> bool:
    """Whether a failed stage is worth another try: faults of the surroundings are, bad input and defects are not."""
    return isinstance(state.data, EnvironmentFault) and not is_stopping()


@task(
    name="stage",
    task_run_name="{stage}",
    retries=2,
    retry_delay_seconds=exponential_backoff(backoff_factor=10),
    retry_condition_fn=may_pass,
    cache_policy=NO_CACHE,
)
def run_stage(stage: str, parent_run: str | None, lock: int | None = None) -> None:
    """Bring one stage up to date by ``dvc repro --single-item``.

    Args:
        stage: its name in the graph.
        parent_run: the MLflow run in which the stage's run nests.
        lock: file descriptor of the workspace's lock.

    Raises:
        InputError, EnvironmentFault: what the stage says.
    """
    log = find_logger()
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage]
    environment = {PARENT_VARIABLE: parent_run} if parent_run else {}
    deadline = time.monotonic() + _BUSY_LIMIT_S
    while True:
        finished = run_command(
            command, environment, lambda line: log.info("%s | %s", stage, line), () if lock is None else (lock,)
        )
        if not (finished.code and is_busy(finished.output) and time.monotonic() < deadline):
            break
        time.sleep(_BUSY_PAUSE_S)  # DVC waits three seconds; another stage's outputs may take it longer to hash
    if finished.code:
        raise explain_stage(stage, finished)


def run_in_order(stages: Graph, parallel: int, submit: Callable[[str], Any]) -> None:
    """Run stages as soon as what they need is done, ``parallel`` at a time, the first in ``stages`` first.

    When a stage fails, what does not need it still runs to its end; then the first failure is raised.

    Args:
        stages: each with the stages it needs.
        parallel: how many at a time.
        submit: starts a stage and returns its Prefect future.
    """
    sorter = TopologicalSorter(stages)
    try:
        sorter.prepare()
    except CycleError as error:
        raise InputError("The stages in dvc.yaml need each other in a circle.", "break the circle.") from error
    rank = {name: place for place, name in enumerate(stages)}
    ready: list[str] = []
    running: dict[Future, str] = {}
    failures: list[JudgeforgeError] = []
    while True:
        ready = sorted([*ready, *sorter.get_ready()], key=rank.__getitem__)
        while ready and len(running) < parallel:
            stage = ready.pop(0)
            running[submit(stage)] = stage
        if not running:
            break
        future = _wait_for_one(list(running))
        try:
            future.result()
            sorter.done(running.pop(future))
        except JudgeforgeError as error:
            running.pop(future)
            failures.append(error)
    if failures:
        raise failures[0]


def _wait_for_one(futures: list[Future]) -> Future:
    while True:
        for future in futures:
            if future.wrapped_future.done():
                return future
        waiting = [future.wrapped_future for future in futures]
        concurrent.futures.wait(waiting, timeout=_WAKE_S, return_when=concurrent.futures.FIRST_COMPLETED)


@flow(name="retrain")
def retrain(promote: bool = True, max_parallel: PositiveInt | None = None, approval_hours: PositiveInt = 72) -> Outcome:
    """Run every stale stage, record the retraining in one MLflow run, register the judge, and let the gate decide.

    Args:
        promote: whether to ask the gate; otherwise the judge is only registered.
        max_parallel: stages at a time; None: by the machine's cores, memory and GPU.
        approval_hours: how long the run pauses for a person's approval, where ``promote.approval`` is on.
    """
    log = find_logger()
    params = load_params()
    check_tracking_server()
    with workspace_lock() as lock, ending_commands():
        stale = find_stale_stages()
        if not stale and has_been_retrained(params, promote):
            log.info(_NOTHING)
            return "nothing changed"
        stages = select_stages(load_graph(), stale) if stale else {}
        log.info("To run: %s.", ", ".join(stages) or "no stage, only the registration")
        with stage_run("retrain", params.model_dump(mode="json"), describe_lineage()) as run:
            submit = partial(run_stage.submit, parent_run=run.run_id, lock=lock)
            run_in_order(stages, max_parallel or choose_parallelism(), submit)
            _record_results(run)
            outcome = promote_judge("champion" if promote else "challenger", "retraining", parent_run=run.run_id)
            run.set_tags({"outcome": outcome})
        if outcome != AWAITED:
            note_retrained(params, promote)
    if outcome == AWAITED:
        outcome = seek_approval("retraining", force=False, hours=approval_hours)  # others may work here meanwhile
        run.set_tags({"outcome": outcome})
        if outcome != AWAITED:
            note_retrained(params, promote)
    log.info("The judge is %s.", {"refused": "registered; it did not pass"}.get(outcome, outcome))
    return outcome


def _record_results(run: Run) -> None:
    from judgeforge.promote.figures import load_metrics  # noqa: PLC0415 - statistics take a second to import

    metrics_file = find_out("report", ".json")
    pages = [find_out("report", ending) for ending in (".html", ".md", ".csv")]
    run.set_tags(describe_lineage())
    for judge, benchmarks in load_metrics(metrics_file).items():
        for name, entry in benchmarks.items():
            measures = {measure: found.value for measure, found in entry.metrics.items()}
            figures = measures | {"unparsable_rate": entry.unparsable_rate}
            run.log_metrics({f"{judge}/{name}/{key}": value for key, value in figures.items() if value is not None})
    for path in (metrics_file, *pages, Path("params.yaml"), Path("dvc.lock")):
        run.log_artifact(path)


def check_prefect_server() -> None:
    """Ask the Prefect server that the environment or the profile names whether it is there.

    Raises:
        EnvironmentFault: it does not answer.
    """
    address = get_current_settings().api.url
    if address:
        check_server("Prefect server", str(address), "start it, or unset PREFECT_API_URL to use a temporary one.")


def main(
    promote: Annotated[bool, typer.Option(help="Ask the gate, or only register the judge.")] = True,
    max_parallel: Annotated[
        int | None, typer.Option(min=1, help="Stages at a time, by the machine if not given.")
    ] = None,
) -> None:
    """Run the whole pipeline. Exit status 0 also where the gate refuses: the judge is registered, and the log says why.

    Example: python -m flows.retrain --no-promote --max-parallel 1
    """
    params = load_params()
    check_tracking_server()
    check_prefect_server()
    if not find_stale_stages() and has_been_retrained(params, promote):
        say(_NOTHING)  # without a flow run: Prefect's temporary server alone would take longer to start
        return
    retrain(promote=promote, max_parallel=max_parallel)


if __name__ == "__main__":
    run_program(main)
