"""How a stage's main function becomes a program: options from its arguments, faults as one line and an exit code."""

import functools
import inspect
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn, get_origin

import typer

from judgeforge.errors import EnvironmentFault, JudgeforgeError, NotComputedError

DEBUG_VARIABLE = "JUDGEFORGE_DEBUG"
"""Set to 1 to see tracebacks (the command line's ``--debug`` sets it for the stages below)."""

CACHED_ONLY_VARIABLE = "JUDGEFORGE_CACHED_ONLY"
"""Set to 1 where ``dvc repro`` is to take a stage from the run cache or to fail: it is not to be computed here."""

_CHATTER = ("bitsandbytes.backends.cpu.ops",)
"""Libraries that say at their import, by whomever it is, that something can be had which is not needed."""


class Terminated(SystemExit):
    """SIGTERM, turned into an exception so that files are closed and runs are marked as killed."""


def exit_with_message(error: JudgeforgeError) -> NoReturn:
    """Print ``error`` as one line and end the process with its exit code; raise it instead where debugging is on."""
    if os.environ.get(DEBUG_VARIABLE) == "1":
        raise error
    print(f"error: {error}", file=sys.stderr)  # noqa: T201
    raise SystemExit(error.exit_code) from error


def _terminate(signum: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated(128 + signum)


def take_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let every argument of ``command`` be an option; typer makes positional ones of those without a default."""

    @functools.wraps(command)
    def wrapped(**options: Any) -> Any:
        return command(**options)

    parameters = [
        parameter.replace(default=typer.Option(...)) if _is_positional(parameter) else parameter
        for parameter in inspect.signature(command).parameters.values()
    ]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return wrapped


def _is_positional(parameter: inspect.Parameter) -> bool:
    """Tell whether typer would take it for a positional argument: no default, and not said to be an option."""
    return parameter.default is inspect.Parameter.empty and get_origin(parameter.annotation) is not Annotated


def run_stage(command: Callable[..., Any]) -> None:
    """Run ``command`` with the options on the command line.

    Args:
        command: a function with typed keyword arguments; each becomes an option of the same name.
    """
    refuse_to_compute()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(take_options(command))
    run_program(lambda: app(prog_name=f"python -m judgeforge.{Path(sys.argv[0]).parent.name}"))


def refuse_to_compute() -> None:
    """End this program, a stage's, where stages are only to be taken from the run cache."""
    if os.environ.get(CACHED_ONLY_VARIABLE) == "1":
        exit_with_message(
            NotComputedError(
                "This stage has no result in the run cache, and is not to be computed here.",
                f"let the flow run it on a worker, or unset {CACHED_ONLY_VARIABLE}.",
            )
        )


def run_program(program: Callable[[], Any]) -> None:
    """Run a program so that a fault with a known cause is one line, and SIGTERM leaves nothing half done.

    Args:
        program: what to run.
    """
    signal.signal(signal.SIGTERM, _terminate)
    for name in _CHATTER:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        program()
    except JudgeforgeError as error:
        exit_with_message(error)
    except MemoryError as error:
        exit_with_message(_out_of_memory(error))


def _out_of_memory(_error: MemoryError) -> EnvironmentFault:
    return EnvironmentFault("The machine ran out of memory.", "lower batch_size in params.yaml or free some memory.")
