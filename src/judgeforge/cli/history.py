"""``judgeforge history``: who became champion, when, by whom and why, and what versions there are."""

from typing import TYPE_CHECKING, Annotated

import typer

from judgeforge.params import PromoteParams, load_section

if TYPE_CHECKING:
    from rich.table import Table

    from judgeforge.promote.history import History

_COMMIT = 10


def history(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    last: Annotated[int, typer.Option(min=1, help="So many entries of each table.")] = 20,
) -> None:
    """Show what was done to the registered judge, and its versions. Needs no more than the right to read.

    Example: judgeforge history --last 5
    """
    from judgeforge.promote.history import load_history  # noqa: PLC0415 - mlflow takes seconds
    from judgeforge.promote.registry import Registry  # noqa: PLC0415

    found = load_history(Registry(load_section("promote", PromoteParams).model_name))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    from rich.console import Console  # noqa: PLC0415

    console = Console()
    champion = f"version {found.champion}" if found.champion else "nobody yet"
    previous = f"; before it: version {found.previous}" if found.previous else ""
    console.print(f"Champion of {found.model}: {champion}{previous}.", highlight=False, markup=False)
    if found.unfinished:
        console.print("The aliases in MLflow say otherwise: the next promotion or rollback sets them right.")
    if found.entries:
        console.print(_build_ledger(found, last))
    if found.versions:
        console.print(_build_versions(found, last))


def _build_ledger(found: "History", last: int) -> "Table":
    from rich.box import SIMPLE  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table("when", "who", "what", "why", title="What was done, the latest first", box=SIMPLE, show_lines=True)
    for entry in reversed(found.entries[-last:]):
        facts = [", ".join(f"{name} {value:.3f}" for name, value in entry.figures.items())]
        facts += [f"approved by {entry.approved_by}"] if entry.approved_by else []
        facts += ["against the gate"] if entry.forced else []
        why = "\n".join(each for each in (entry.why, entry.summary, "; ".join(filter(None, facts))) if each)
        change = f"{entry.before or 'nobody'} -> {entry.version}"
        numbers = change if entry.action in ("promote", "rollback") else ", ".join(entry.versions)
        table.add_row(entry.when[:16].replace("T", "\n"), escape(entry.who), f"{entry.action}\n{numbers}", escape(why))
    return table


def _build_versions(found: "History", last: int) -> "Table":
    from rich.box import SIMPLE  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table("version", "aliases", "registered", "judge", "state", "commit", title="Versions", box=SIMPLE)
    for each in reversed(found.versions[-last:]):
        when = each.registered[:16].replace("T", " ")
        table.add_row(each.number, ", ".join(each.aliases), when, each.judge, each.state, each.commit[:_COMMIT])
    return table
