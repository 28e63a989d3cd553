"""The flow ``retrain``: run what is stale by DVC's graph, record it as one MLflow run, register and promote the judge.

Run it in the repository's root: ``python -m flows.retrain``. With no server named in the environment, Prefect starts a
temporary one and MLflow writes to a file.
"""

import logging
import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from prefect import flow
from prefect.settings import get_current_settings
from pydantic import PositiveInt

from flows.alone import WhenBusy, one_at_a_time
from flows.commands import ending_commands
from flows.data_note import describe_data, note_data
from flows.logs import find_logger
from flows.machines.cost import BudgetSpentError
from flows.notify import TELL, link_run, notify
from flows.order import Future, run_in_order, settling
from flows.pipeline import Graph, find_stale_stages, load_graph, select_stages
from flows.placing import Places, check_places, is_remote
from flows.promote import AWAITED, promote_judge, seek_approval
from flows.raising import describe_cost, find_raiser
from flows.remote.benchmarks import check_benchmark_files
from flows.remote.handing import read_deployment
from flows.remote.patience import ask_patiently
from flows.remote.running import SETTLE_S, Order
from flows.stages import REMOTE_RETRIES, run_stage
from flows.workspace import (
    choose_parallelism,
    describe_state,
    has_been_retrained,
    note_answer,
    note_retrained,
    workspace_lock,
)
from judgeforge.errors import JudgeforgeError
from judgeforge.lineage import describe_lineage, find_out
from judgeforge.params import load_params
from judgeforge.progress import say
from judgeforge.promote.remotes import find_remote
from judgeforge.servers import check_server
from judgeforge.stage import DEBUG_VARIABLE
from judgeforge.stage import run_stage as run_program
from judgeforge.tracking import Run, check_tracking_server, stage_run

Outcome = Literal["nothing changed", "registered", "promoted", "refused", "awaits approval"]

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


@flow(name="retrain", on_failure=TELL, on_crashed=TELL, on_cancellation=TELL)
def retrain(
    promote: bool = True,
    max_parallel: PositiveInt | None = None,
    approval_hours: PositiveInt = 72,
    when_busy: WhenBusy = "refuse",
) -> Outcome:
    """Run every stale stage, record the retraining in one MLflow run, register the judge, and let the gate decide.

    Args:
        promote: whether to ask the gate; otherwise the judge is only registered.
        max_parallel: stages at a time on this machine; None: by its cores, memory and GPU.
        approval_hours: how long the run pauses for a person's approval, where ``promote.approval`` is on.
        when_busy: whether to wait while another retraining of this model is at work, or to refuse.
    """
    log = find_logger()
    params = load_params()
    check_tracking_server()
    check_places(params.runner)
    alone = one_at_a_time(params.promote.model_name, when_busy, params.runner.lost_after_s)
    with alone, workspace_lock() as lock, ending_commands():
        stale = find_stale_stages()
        if not stale and has_been_retrained(params, promote):
            note_data(describe_data())
            log.info(_NOTHING)
            return "nothing changed"
        graph = load_graph() if stale else {}
        stages = select_stages(graph, stale)
        log.info("To run: %s.", ", ".join(stages) or "no stage, only the registration")
        with stage_run("retrain", params.model_dump(mode="json"), describe_lineage()) as run:
            costs = run_stages(stages, Order(params, graph, run.run_id), max_parallel or choose_parallelism(), lock)
            run.log_metrics(costs)
            _record_results(run)
            outcome = promote_judge("champion" if promote else "challenger", "retraining", parent_run=run.run_id)
            run.set_tags({"outcome": outcome})
        state = describe_state(params)
        note_retrained(state, promote and outcome != AWAITED)  # the next night must not train the same again
    if outcome == AWAITED:
        outcome = seek_approval("retraining", force=False, hours=approval_hours)  # others may work here meanwhile
        run.set_tags({"outcome": outcome})
        if outcome != AWAITED:
            note_answer(state)
    log.info("The judge is %s.", {"refused": "registered; it did not pass"}.get(outcome, outcome))
    return outcome


def run_stages(stages: Graph, order: Order, parallel: int, lock: int) -> dict[str, float]:
    """Run stages where they belong, with machines raised for those of the pool and gone at the end.

    Args:
        stages: that may have to run, each with the stages it needs.
        order: of the retraining.
        parallel: how many stages run here at a time.
        lock: file descriptor of the workspace's lock.

    Returns:
        What the machines cost, as metrics.
    """
    runner = order.params.runner
    raiser = None
    if remote := [stage for stage in stages if is_remote(stage, runner)]:
        url = find_remote(None).url  # by which alone inputs and results travel
        check_benchmark_files(order.params, remote)
        ask_patiently(lambda client: read_deployment(client, runner.pool))  # before machines are raised for nothing
        raiser = find_raiser(order.params, stages, url)
    futures: list[Future] = []
    try:
        with Places(runner, stages, parallel, raiser) as places, settling(futures, SETTLE_S), ending_commands():
            submit = partial(_submit, futures=futures, lock=lock, order=order, places=places)
            run_in_order(stages, places.has_room, submit, places.serve)
    except BudgetSpentError as error:  # told once the machines are gone, which cost while it is told
        notify("budget", error.problem, error.remedy, link_run(order.parent_run) if order.parent_run else [])
        raise
    return describe_cost(places.machines)


def _submit(stage: str, futures: list[Future], lock: int, order: Order, places: Places) -> Any:
    task = run_stage.with_options(retries=REMOTE_RETRIES) if places.is_remote(stage) else run_stage
    future: Any = task.submit(stage, lock=lock, order=order, places=places)
    futures.append(future)
    return future


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
    wait: Annotated[bool, typer.Option(help="Wait while another retraining of this model is at work.")] = False,
) -> None:
    """Run the whole pipeline. Exit status 0 also where the gate refuses: the judge is registered, and the log says why.

    Example: python -m flows.retrain --no-promote --max-parallel 1
    """
    params = load_params()
    check_tracking_server()
    check_prefect_server()
    check_places(params.runner)
    if not find_stale_stages() and has_been_retrained(params, promote):
        say(_NOTHING)  # without a flow run: Prefect's temporary server alone would take longer to start
        return
    retrain(promote=promote, max_parallel=max_parallel, when_busy="wait" if wait else "refuse")


if __name__ == "__main__":
    run_program(main)
