"""Wire the stage ``train``: training set, base model and params.yaml -> a judge's folder and its curve."""

from pathlib import Path

import typer

from judgeforge.errors import InputError
from judgeforge.params import TrainingFormat, TrainParams, load_section
from judgeforge.stage import run_stage


def main(
    *,
    format: str = typer.Option(..., help="direct, pairwise or joint"),
    data: Path,
    base: Path,
    out: Path,
    curve: Path,
    checkpoints: Path,
) -> None:
    """Fine-tune one judge.

    Example: python -m judgeforge.train --format direct --data data/train --base models/base --out models/direct
    --curve curves/direct.jsonl --checkpoints .judgeforge/checkpoints/direct
    """
    params = load_section("train", TrainParams)
    if format not in ("direct", "pairwise", "joint"):
        raise InputError(f"There is no training format {format!r}.", "choose direct, pairwise or joint.")
    chosen: TrainingFormat = format  # type: ignore[assignment]
    from judgeforge.tracking import stage_run  # noqa: PLC0415 - bad params should not wait for heavy imports
    from judgeforge.train.run import train_judge  # noqa: PLC0415

    with stage_run(f"train-{format}", params.model_dump()) as run:
        train_judge(params, chosen, data, base, checkpoints, out, curve, run)


if __name__ == "__main__":
    run_stage(main)
