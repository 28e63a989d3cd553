"""The command line: stages, recipes, the flow, files, grading. A command's module is imported when it is called."""

import importlib
import os
import sys
from typing import Annotated, Any, NamedTuple

import typer

from judgeforge import __version__
from judgeforge.stage import DEBUG_VARIABLE, run_program, take_options


class Command(NamedTuple):
    """A command of the command line.

    Args:
        module: where its function is.
        function: the function's name.
        summary: the line in ``judgeforge --help``.
    """

    module: str
    function: str
    summary: str


STAGES = {
    "base": "Materialise the base model.",
    "prepare": "Build the training sets from a raw collection.",
    "audit": "Look for benchmark prompts in the training sets.",
    "train": "Fine-tune one judge.",
    "search": "Search for the best merge on the validation sets.",
    "merge": "Merge the direct and the pairwise judge.",
    "evaluate": "Evaluate one judge on the benchmarks.",
    "report": "Write the metrics and the page that compare the judges.",
    "promote": "Register the judge, and make it champion if it is better.",
}

COMMANDS = {name: Command(f"judgeforge.{name}.__main__", "main", summary) for name, summary in STAGES.items()} | {
    "recipe": Command("judgeforge.cli.recipe", "recipe", "Write params.yaml from recipes and show what changes."),
    "retrain": Command("judgeforge.cli.retrain", "retrain", "Run the whole pipeline as a flow."),
    "fetch": Command("judgeforge.cli.fetch", "fetch", "Get the published benchmark files."),
    "compare": Command("judgeforge.cli.compare", "compare", "Compare two evaluated judges, with tests."),
    "questions": Command("judgeforge.cli.questions", "questions", "Write questions for a judge elsewhere."),
    "history": Command("judgeforge.cli.history", "history", "Show who became champion, when and why."),
    "rollback": Command("judgeforge.cli.registry", "rollback", "Make an earlier champion the champion again."),
    "retire": Command("judgeforge.cli.registry", "retire", "Bar a version from becoming champion."),
    "gc": Command("judgeforge.cli.gc", "gc", "Give up weights of versions that nobody needs any more."),
    "grade": Command("judgeforge.cli.grade", "grade", "Grade one item, or a file of items."),
    "serve": Command("judgeforge.cli.serve", "serve", "Serve the judge over HTTP."),
    "card": Command("judgeforge.cli.card", "card", "Write the model card of a judge."),
    "seen": Command("judgeforge.cli.seen", "seen", "Tell which judges had seen a row of the collection."),
    "corrections": Command("judgeforge.cli.corrections", "corrections", "Take people's corrections of grades in."),
    "teacher": Command("judgeforge.cli.teacher", "teacher", "Take in a teacher's batch results, write the next."),
    "rank": Command("judgeforge.cli.rank", "rank", "Rank several responses to one instruction."),
}

_EPILOG = "Example: judgeforge recipe demo && judgeforge retrain. Each command has its own --help with an example."


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"judgeforge {__version__}")
        raise typer.Exit


def _start(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Train, merge, evaluate and promote open LLM judges (recipe of Prometheus 2, arXiv 2405.01535)."""


def _stand_in() -> None:
    """Take the place of a command that is not called, so that its name and summary can be listed."""


def build_app(arguments: list[str]) -> typer.Typer:
    """Build the command line for these arguments.

    A stage's options are those of its main function, which is also what ``python -m judgeforge.STAGE`` runs; options
    not given take their values from the stage's command in dvc.yaml.

    Args:
        arguments: what follows the program's name.
    """
    # Without rich's markup, help costs a tenth of a second instead of three.
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True, epilog=_EPILOG)
    app.callback()(_start)
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, command in COMMANDS.items():
        if name != called:
            app.command(name, help=command.summary)(_stand_in)
            continue
        function = getattr(importlib.import_module(command.module), command.function)
        if name in STAGES:
            settings: dict[str, Any] = {"default_map": _load_defaults(name, arguments)}
            app.command(name, context_settings=settings)(take_options(function))
        else:
            app.command(name)(function)
    return app


def _load_defaults(stage: str, arguments: list[str]) -> dict[str, str]:
    from judgeforge.cli.wiring import load_stage_defaults  # noqa: PLC0415 - only stages need YAML here

    return load_stage_defaults(stage, arguments)


def main() -> None:
    """Run the command line: a fault with a known cause is one line on stderr."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    if len(arguments) < len(sys.argv) - 1:
        os.environ[DEBUG_VARIABLE] = "1"
    run_program(lambda: build_app(arguments)(args=arguments, prog_name="judgeforge"))
