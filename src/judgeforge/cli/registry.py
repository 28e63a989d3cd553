"""``judgeforge rollback`` and ``judgeforge retire``: what is done to versions without the gate."""

from typing import TYPE_CHECKING, Annotated

import typer

from judgeforge.params import PromoteParams, load_section

if TYPE_CHECKING:
    from judgeforge.promote.registry import Registry


def rollback(
    why: Annotated[str, typer.Option(help="The reason, for the record.")],
    to: Annotated[
        str | None, typer.Option(help="A version that was champion; without it, the one before.", show_default=False)
    ] = None,
    expect: Annotated[
        str | None, typer.Option(help="Do it only if this version is champion; for scripts.", show_default=False)
    ] = None,
) -> None:
    """Make an earlier champion the champion again. A service that serves the champion follows by itself.

    Example: judgeforge rollback --why "grades code too high"
    """
    from judgeforge.promote.operations import roll_back  # noqa: PLC0415 - mlflow takes seconds

    roll_back(_open_registry(), why, to, expect)


def retire(
    version: Annotated[str, typer.Argument(help="The version's number.")],
    why: Annotated[str, typer.Option(help="The reason, for the record.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take it back into service.")] = False,
) -> None:
    """Bar a version from becoming champion again; 'judgeforge gc' may then give up its weights.

    Example: judgeforge retire 4 --why "trained on the test set"
    """
    from judgeforge.promote.operations import retire as retire_version  # noqa: PLC0415

    retire_version(_open_registry(), version, why, undo=undo)


def _open_registry() -> "Registry":
    from judgeforge.promote.registry import Registry  # noqa: PLC0415

    return Registry(load_section("promote", PromoteParams).model_name)
