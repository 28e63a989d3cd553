"""Wire the stage ``train``: training set, base model and params.yaml -> a judge's folder and its curve."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, get_args

import typer

from judgeforge.errors import InputError
from judgeforge.params import TrainingFormat, TrainParams, load_section
from judgeforge.stage import run_stage
from judgeforge.train.launch import is_started, launch, needs_launch, require_membership
from judgeforge.train.outcomes import leave_outcome


def main(
    *,
    format: str = typer.Option(..., help="direct, pairwise, joint or form"),
    data: Path,
    base: Path,
    out: Path,
    curve: Path,
    checkpoints: Path,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained, write nothing.")] = False,
) -> None:
    """Fine-tune one judge, or say what a run would do: its weights, updates and memory, and the first row.

    Example: python -m judgeforge.train --format direct --data data/train --base models/base --out models/direct
    --curve curves/direct.jsonl --checkpoints .judgeforge/checkpoints/direct
    """
    params = load_section("train", TrainParams)
    if format not in get_args(TrainingFormat):
        raise InputError(f"There is no training format {format!r}.", "choose direct, pairwise, joint or form.")
    chosen: TrainingFormat = format  # type: ignore[assignment]
    places = {"data": data, "base": base, "checkpoints": checkpoints, "out": out, "curve": curve}
    if dry_run:
        _tell(params, chosen, places)
        return
    if needs_launch(params.distribution):
        launch(params.distribution, params.cpu_threads, "judgeforge.train", sys.argv[1:])
        return
    if not is_started():
        _train(params, chosen, places)
        return
    with leave_outcome(int(os.environ["RANK"])):
        require_membership(params.distribution)
        _train(params, chosen, places)


def _tell(params: TrainParams, format: TrainingFormat, places: dict[str, Path]) -> None:
    from judgeforge.train.dry_run import plan_run, render_plan  # noqa: PLC0415
    from judgeforge.train.job import Job  # noqa: PLC0415

    typer.echo(render_plan(plan_run(params, Job(format=format, **places))))


def _train(params: TrainParams, format: TrainingFormat, places: dict[str, Path]) -> None:
    from judgeforge.tracking import stage_run, watch_machine  # noqa: PLC0415 - bad params should not wait for these
    from judgeforge.train.distributed import is_first, join_processes  # noqa: PLC0415
    from judgeforge.train.job import Job  # noqa: PLC0415
    from judgeforge.train.run import train_judge  # noqa: PLC0415

    with join_processes(params.distribution.engine):
        recorded = stage_run(f"train-{format}", params.model_dump()) if is_first() else nullcontext()
        with recorded as run, watch_machine(run) if run else nullcontext():
            train_judge(params, Job(format=format, **places), run)


if __name__ == "__main__":
    run_stage(main)
