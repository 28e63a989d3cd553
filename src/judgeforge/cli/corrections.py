"""``judgeforge corrections``: take people's corrections of grades in as rows that the next judge learns from."""

from pathlib import Path
from typing import Annotated

import typer

from judgeforge.corrections.run import COLLECTION, QUARANTINE, update_collection


def corrections(
    inbox: Annotated[Path, typer.Argument(help="JSON Lines of corrections: a file, or a folder of files.")],
    *,
    into: Annotated[Path, typer.Option(help="The folder of the collection.")] = COLLECTION,
    held_out: Annotated[
        list[str] | None, typer.Option(help="YAML file of a benchmark to keep clean, beside those of params.yaml.")
    ] = None,
    quarantine: Annotated[Path, typer.Option(help="Where refused rows go, each with its reason.")] = QUARANTINE,
) -> None:
    """Take corrections in: check each, keep each person's latest, refuse what stands in a benchmark.

    Example: judgeforge corrections corrections/ && dvc add collections/corrections
    """
    update_collection(inbox, into, quarantine, held_out or [])
