"""The flow ``on-demand``: retrain by a recipe, on machines, at a commit of one's choice, beside the checkout.

The checkout is not touched: the recipe is composed and run in a git worktree (``flows.worktree``).
"""

from pathlib import Path
from typing import Annotated, Literal

from prefect import flow
from pydantic import Field, PositiveInt

from flows.commands import ending_commands, explain_exit
from flows.notify import KINDS_VARIABLE, TELL, list_kinds
from flows.worktree import open_worktree
from judgeforge.tracking import check_tracking_server

Word = Annotated[str, Field(pattern=r"^[^-]")]
"""No option of a command line."""


@flow(name="on-demand", on_failure=TELL, on_crashed=TELL, on_cancellation=TELL)
def retrain_by_recipe(
    recipe: Annotated[list[Word], Field(min_length=1)],
    settings: list[Word] | None = None,
    runner: Literal["none", "standing", "aws"] | None = None,
    promote: bool = True,
    commit: Word = "HEAD",
    max_parallel: PositiveInt | None = None,
) -> str:
    """Retrain by a recipe. The retraining is a flow run of its own, ``retrain``, whose log is repeated here.

    Args:
        recipe: recipes of conf/recipe at that commit, later ones over earlier ones.
        settings: KEY=VALUE over the recipes.
        runner: where stages run (``runner.provider``); None: as the recipe says.
        promote: whether to ask the gate; otherwise the judge is only registered.
        commit: of the code, the recipes and the .dvc files.
        max_parallel: stages at a time.

    Returns:
        The commit's number.
    """
    check_tracking_server()
    chosen = [*(settings or []), *([f"runner.provider={runner}"] if runner else [])]
    options = ["--promote" if promote else "--no-promote"]
    options += ["--max-parallel", str(max_parallel)] if max_parallel else []
    request = [list(recipe), chosen]
    with ending_commands(), open_worktree(Path.cwd(), commit, request) as worktree:
        worktree.compose(recipe, chosen)
        worktree.fetch_data()
        worktree.link_benchmarks(Path.cwd())
        quiet = {KINDS_VARIABLE: ",".join(kind for kind in list_kinds() if kind != "failure")}  # told by this flow
        finished = worktree.run(["flows.retrain", *options], quiet)
        if finished.code:
            raise explain_exit("retrain", finished.code, finished.output)
        return worktree.commit
