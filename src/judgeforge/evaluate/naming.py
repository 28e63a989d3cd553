"""What a judge may be called, and which benchmarks a file of recorded verdicts is about."""

import re
from pathlib import Path
from typing import get_args

from judgeforge.benchmarks import read_name
from judgeforge.benchmarks.loaders import EMBEDDED
from judgeforge.benchmarks.manifest import load_manifest
from judgeforge.engines.recorded import count_benchmarks
from judgeforge.errors import InputError
from judgeforge.params import EvaluateParams, Judge, Reference
from judgeforge.progress import say

_NAME = re.compile(r"\w[\w.-]*")


def check_name(judge: str, *, foreign: bool) -> None:
    """Check that a name can be a folder's, and that it is free.

    Args:
        judge: the name.
        foreign: it is of a judge that the pipeline does not make.

    Raises:
        InputError: it cannot.
    """
    if not _NAME.fullmatch(judge):
        raise InputError(f"A judge cannot be called {judge!r}.", "use letters, digits, '_', '.' and '-'.")
    if foreign and judge in (*get_args(Judge), *get_args(Reference)):
        raise InputError(f"{judge!r} is the name of a judge that the pipeline makes.", "give this one another name.")


def choose_recorded_benchmarks(params: EvaluateParams, recorded: Path, *, chosen: bool) -> EvaluateParams:
    """Evaluate on the benchmarks that a file of verdicts names.

    Args:
        params: the section ``evaluate``, with the benchmarks of params.yaml or of the command line.
        recorded: the file.
        chosen: they are of the command line: rows of others are passed over, and said to be.

    Raises:
        InputError: the file names a benchmark that is not known.
    """
    counts = count_benchmarks(recorded)
    entries = {read_name(entry): entry for entry in params.benchmarks}
    others = {name: count for name, count in counts.items() if name not in entries}
    if chosen:
        for name, count in others.items():
            say(f"{recorded}: {count:,} rows of {name} are passed over.")
        return params
    unknown = {name: count for name, count in others.items() if name not in {*EMBEDDED, *load_manifest()}}
    if unknown:
        listed = ", ".join(f"{name!r} ({count:,} rows)" for name, count in unknown.items())
        raise InputError(
            f"{recorded} names benchmarks that are not known: {listed}.",
            "correct the name, or give the benchmark's YAML file with --benchmark (docs/benchmarks.md).",
        )
    return params.model_copy(update={"benchmarks": tuple(entries.get(name, name) for name in counts)})
