"""``judgeforge compare``: is one judge better than another, on the same items?"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from judgeforge.errors import InputError
from judgeforge.evaluate.comparison import DIFFERENCES, Comparison, compare_judges
from judgeforge.evaluate.summary import BARRED, BARRED_NOTE
from judgeforge.files import write_json

_SMALLEST_P = 0.00005
_NOTE = (
    "Differences are paired, intervals and p clustered by prompt (percentile bootstrap; permutation). p (Holm) is "
    "corrected for all rows: a claim that holds on at least one of them rests on it. McNemar's exact p takes items for "
    "independent and is given for comparison only."
)


def compare(
    first: Annotated[Path, typer.Argument(help="A judge's evaluation, such as evaluation/merged.")],
    second: Annotated[Path, typer.Argument(help="Another's.")],
    measure: Annotated[
        list[str] | None, typer.Option(help="What to compare by; without it the main measure of each benchmark.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the figures as JSON, too.")] = None,
) -> None:
    """Compare two evaluated judges on every benchmark that both judged.

    Example: judgeforge compare evaluation/merged evaluation/direct --measure kendall --measure accuracy
    """
    for folder in (first, second):
        if not folder.is_dir():
            raise InputError(f"There is no evaluation in {folder}.", "evaluate that judge first.")
    found = compare_judges(first, second, measure or [])
    console = Console()
    console.print(_build_table(found, first.name, second.name))
    console.print(_build_power(found))
    console.print(_NOTE, highlight=False)
    if output is not None:
        write_json(output, [asdict(each) for each in found])


def _build_table(found: list[Comparison], first: str, second: str) -> Table:
    note = BARRED_NOTE if any(each.barred for each in found) else None
    title = f"{first} less {second}, {found[0].mode} mode"
    table = Table(title=title, caption=note, box=SIMPLE, show_edge=False, pad_edge=False)
    table.add_column("benchmark\nmeasure", no_wrap=True)
    for name in (first, second, "difference\ninterval", "p", "p (Holm)", "McNemar"):
        table.add_column(name, justify="right", overflow="fold")
    for each in found:
        low, high = each.difference.low, each.difference.high
        interval = "" if low is None or high is None else f"\n[{low:+.3f}, {high:+.3f}]"
        table.add_row(
            f"{_name(each)}\n{each.measure}",
            *(_write(value) for value in (each.first, each.second)),
            escape(_write(each.difference.value, "+.3f") + interval),
            _write_p(each.p),
            _write_p(each.p_holm),
            "" if each.mcnemar is None else _write_p(each.mcnemar.p),
        )
    return table


def _build_power(found: list[Comparison]) -> Table:
    title = "Prompts needed to see a difference (power 80%)"
    head = ("benchmark\nmeasure", "items", "left out:\nin training", "same\nverdicts", "prompts")
    table = Table(*head, title=title, box=SIMPLE)
    for difference in DIFFERENCES:
        table.add_column(f"{difference}", justify="right")
    for each in found:
        needed = each.needed or {}
        counts = [f"{needed[difference]:,}" if difference in needed else "" for difference in DIFFERENCES]
        facts = [f"{each.items:,}", f"{each.contaminated:,}", f"{each.same:.1%}", f"{each.prompts:,}"]
        table.add_row(f"{_name(each)}\n{each.measure}", *facts, *counts)
    return table


def _name(each: Comparison) -> str:
    return f"{each.benchmark}{f' {BARRED}' if each.barred else ''}"


def _write_p(value: float | None) -> str:
    return "<0.0001" if value is not None and value < _SMALLEST_P else _write(value, ".4f")


def _write(value: float | None, form: str = ".3f") -> str:
    return "undefined" if value is None else format(value, form)
