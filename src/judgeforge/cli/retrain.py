"""``judgeforge retrain``: the whole pipeline as the flow runs it, and its results at the end."""

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from judgeforge.errors import InputError


def retrain(
    *,
    promote: Annotated[bool, typer.Option(help="Ask the gate, or only register the judge.")] = True,
    max_parallel: Annotated[
        int | None, typer.Option(min=1, help="Stages at a time, by the machine if not given.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait while another retraining of this model is at work.")] = False,
) -> None:
    """Run every stage whose inputs changed, record the run, register the merged judge and let the gate decide.

    Example: judgeforge recipe smoke && judgeforge retrain
    """
    if not Path("flows/retrain.py").is_file():
        raise InputError("There is no flows/retrain.py here.", "run this in the repository's root.")
    sys.path.insert(0, str(Path.cwd()))  # flows belong to the checkout, like dvc.yaml; they are not installed
    importlib.import_module("flows.retrain").main(promote=promote, max_parallel=max_parallel, wait=wait)
    _show_results()


def _show_results() -> None:
    """Show the table of the report, also where nothing had to run."""
    from judgeforge.cli.wiring import load_stage_defaults  # noqa: PLC0415 - after the flow: what it needs is loaded
    from judgeforge.lineage import find_out  # noqa: PLC0415
    from judgeforge.params import MatrixParams, load_section  # noqa: PLC0415
    from judgeforge.report.loading import load_sources  # noqa: PLC0415
    from judgeforge.report.table import render_terminal_table  # noqa: PLC0415

    matrix, places = load_section("matrix", MatrixParams), load_stage_defaults("report", ["report"])
    sources = load_sources(
        [*matrix.judges, *matrix.guests, *matrix.references],
        [],
        evaluation=Path(places["evaluation"]),
        curves=Path(places["curves"]),
        statistics=Path(places["statistics"]),
        benchmarks={},
    )
    console = Console()
    console.print(render_terminal_table(sources))
    console.print(f"The report is at {find_out('report', '.html')}.", highlight=False)
