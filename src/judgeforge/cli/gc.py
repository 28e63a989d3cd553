"""``judgeforge gc``: give up the weights of registered versions that nobody needs any more."""

from typing import Annotated

import typer

from judgeforge.params import PromoteParams, load_section
from judgeforge.progress import say


def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, the plan is only shown.")] = False,
) -> None:
    """Show whose weights go and whose stay, by promote.keep_champions and promote.keep_days; with --yes, delete them.

    What carries an alias stays, and so does the first champion. Evidence and decisions of all versions stay.

    Example: judgeforge gc --yes
    """
    from judgeforge.promote.collecting import collect, plan_collection, show_plan  # noqa: PLC0415 - mlflow takes seconds
    from judgeforge.promote.registry import Registry  # noqa: PLC0415

    params = load_section("promote", PromoteParams)
    registry = Registry(params.model_name)
    if not yes:
        entries, state = registry.read()
        plan = plan_collection(registry, entries, state, params)
        show_plan(plan)
        going = len(plan.going) + len(plan.unfinished)
        say(f"The weights of {going} versions go with --yes." if going else "Nothing is to be deleted.")
        return
    count = 0
    for number, what in collect(registry, params):
        say(f"version {number}: {what}")
        count += 1
    say(f"The weights of {count} versions were given up.")
