"""``judgeforge seen``: which judges had seen a row of the collection."""

from pathlib import Path
from typing import Annotated

import typer

from judgeforge.errors import InputError


def seen(
    row_ids: Annotated[list[str], typer.Argument(help="Ids of rows: the mapped column's, or SOURCE:LINE.")],
    models: Annotated[Path, typer.Option(help="Folder of judges' folders, or one judge's.")] = Path("models"),
) -> None:
    """List the judges whose training saw a row, and the examples that held it.

    Each judge's folder tells of itself (lineage.parquet), the judges that it was made of included.

    Example: judgeforge seen tickets:17 --models models
    """
    import polars as pl  # noqa: PLC0415 - half a second

    from judgeforge.training_sets import JUDGE_LINEAGE, load_judge_lineage  # noqa: PLC0415

    folders = sorted(path.parent for path in [*models.glob(JUDGE_LINEAGE), *models.glob(f"*/{JUDGE_LINEAGE}")])
    if not folders:
        raise InputError(
            f"No judge in {models} has a {JUDGE_LINEAGE}.", "name another folder with --models, or train one."
        )
    for row_id in row_ids:
        found = False
        for folder in folders:
            lineage = load_judge_lineage(folder).filter(pl.col("row_id") == row_id).sort("set", "example_id")
            for (name,), part in lineage.group_by("set", maintain_order=True):
                found = True
                how = "held back for the validation loss" if "validation_" in str(name) else "learnt"
                examples = ", ".join(part["example_id"])
                typer.echo(f"{row_id}: {folder.name} {how}: {name}: {examples}")
        if not found:
            typer.echo(f"{row_id}: no judge in {models} has seen it")
