"""Which judge template the stage renders by: a named one, or one recovered from the first rows of its sources."""

import polars as pl

from judgeforge.grading.templates import JudgeTemplate, load_template
from judgeforge.params import PrepareParams
from judgeforge.params.sources import Source
from judgeforge.prepare.contract.completion import recover_template
from judgeforge.prepare.contract.layouts import find_format
from judgeforge.prepare.contract.recovery import RecoveredPart
from judgeforge.prepare.contract.verification import Verifier, take_columns
from judgeforge.prepare.sources.loading import find_files, may_be_empty
from judgeforge.prepare.sources.reading import read_chunks

_HEAD = 4_096
"""Rows of a source that a template is recovered from; all of them are verified afterwards."""


def choose_template(params: PrepareParams) -> tuple[JudgeTemplate, Verifier | None, list[RecoveredPart]]:
    """Load or recover the judge template; of a recovered one, what verifies the rows, and what each format rests on.

    Raises:
        InputError: there is no such template, or the sources' rows do not show one.
    """
    if params.recovery is None:
        return load_template(params.template), None, []
    heads = {source.name: read_head(source) for source in params.sources}
    formats = {name: format for name, head in heads.items() if (format := find_format(head.columns))}
    template, parts = recover_template(list(heads.values()), params.recovery, params.seed)
    return template, Verifier(template, formats), parts


def read_head(source: Source) -> pl.DataFrame:
    """Read the first rows of a source, in the columns of the public collections that it has.

    Raises:
        InputError: a file is missing or broken as a whole.
    """
    frames = [pl.DataFrame()]
    missing = _HEAD
    allowed = may_be_empty(source)
    for chunk in (each for _, path in find_files(source) for each in read_chunks(path, may_be_empty=allowed)):
        frames.append(take_columns(chunk).head(missing))
        missing -= frames[-1].height
        if missing == 0:
            break
    return pl.concat(frames, how="diagonal_relaxed")
