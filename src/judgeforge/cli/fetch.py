"""``judgeforge fetch``: get the published benchmark files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from judgeforge.benchmarks.fetch import fetch_files, list_files


class What(StrEnum):
    """What can be fetched."""

    BENCHMARKS = "benchmarks"


def fetch(
    what: Annotated[What, typer.Argument(help="What to get.")],
    names: Annotated[
        list[str] | None, typer.Argument(help="Which ones, as in evaluate.benchmarks; all of none.")
    ] = None,
    into: Annotated[Path, typer.Option(help="The folder to fill.")] = Path("benchmark-files"),
    mirror: Annotated[Path | None, typer.Option(help="A folder to copy from instead of fetching.")] = None,
    url: Annotated[str | None, typer.Option(help="An address under which the files stand, instead of theirs.")] = None,
) -> None:
    """Get published benchmark files, check them, and go on where an earlier call broke off.

    Example: judgeforge fetch benchmarks hhh_alignment autoj_eval --into benchmark-files
    """
    files = list_files(names or [])
    outcomes = fetch_files(files, into, mirror=mirror, url=url)
    table = Table("file", "bytes", "", title=f"{into}: {len(outcomes)} files, all as pinned")
    for name, outcome in outcomes.items():
        table.add_row(name, f"{(into / name).stat().st_size:,}", outcome)
    console = Console()
    console.print(table)
    console.print(f"Set evaluate.benchmarks_folder: {into} in params.yaml.", highlight=False)
