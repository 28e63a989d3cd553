"""Wire the stage ``train``: training set, base model and params.yaml -> a judge's folder and its curve."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from judgeforge.errors import InputError
from judgeforge.params import TrainingFormat, TrainParams, load_section
from judgeforge.stage import run_stage


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
    from judgeforge.tracking import stage_run  # noqa: PLC0415 - bad params should not wait for heavy imports
    from judgeforge.train.job import Job  # noqa: PLC0415
    from judgeforge.train.run import train_judge  # noqa: PLC0415

    job = Job(format=chosen, data=data, base=base, checkpoints=checkpoints, out=out, curve=curve)
    if dry_run:
        from judgeforge.train.dry_run import plan_run, render_plan  # noqa: PLC0415

        typer.echo(render_plan(plan_run(params, job)))
        return
    with stage_run(f"train-{job.format}", params.model_dump()) as run:
        train_judge(params, job, run)


if __name__ == "__main__":
    run_stage(main)
