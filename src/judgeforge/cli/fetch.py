"""``judgeforge fetch``: get the published benchmark files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from judgeforge.benchmarks.fetch import fetch_files, list_files
from judgeforge.errors import JudgeforgeError


def _join_faults(faults: dict[str, JudgeforgeError]) -> JudgeforgeError:
    """Make one fault of several, of the first one's kind."""
    first = next(iter(faults.values()))
    if len(faults) == 1:
        return first
    others = ", ".join(list(faults)[1:])
    return type(first)(f"{first.problem} Nor could these be had: {others}.", first.remedy)


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
    faults = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, JudgeforgeError)}
    table = Table("file", "bytes", "", title=f"{into}: {len(outcomes) - len(faults)} files, as pinned")
    for name, outcome in outcomes.items():
        here = not isinstance(outcome, JudgeforgeError)
        table.add_row(name, f"{(into / name).stat().st_size:,}" if here else "", str(outcome) if here else "not there")
    console = Console()
    console.print(table)
    if faults:
        raise _join_faults(faults)
    console.print(f"Set evaluate.benchmarks_folder: {into} in params.yaml.", highlight=False)
