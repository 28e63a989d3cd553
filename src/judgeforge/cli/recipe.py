"""``judgeforge recipe``: write params.yaml from the recipes in conf/."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from judgeforge.recipe import write_recipe


def recipe(
    names: Annotated[list[str], typer.Argument(help="Recipes of conf/recipe, later ones over earlier ones.")],
    setting: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE over the recipes; repeatable.")] = None,
) -> None:
    """Write params.yaml from recipes and show what changes.

    Example: judgeforge recipe demo joint --set train.epochs=2
    """
    params = Path("params.yaml")
    changes = write_recipe(names, setting or [], params)
    console = Console()
    if not changes:
        console.print(f"{params} already says so: nothing changed.")
        return
    table = Table("value", "was", "is", title=f"{params}: {len(changes)} changed")
    for key, before, after in changes:
        table.add_row(key, str(before), str(after))
    console.print(table)
