"""``judgeforge teacher``: take in what came back of a teacher's batch files, and write the next ones."""

from pathlib import Path
from typing import Annotated

import typer


def teacher(
    folder: Annotated[Path, typer.Option(help="Of one job's requests, as the stage prepare wrote it.")],
    results: Annotated[
        list[Path] | None, typer.Option(help="Output or error file of the batches; may be given several times.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="File of all answers that were ever paid for.")] = Path(
        ".judgeforge/answers.sqlite"
    ),
) -> None:
    """Take in the results of batch files and write what is to be asked next.

    Results of one batch belong into one call: an id that is missing in them is asked again.

    Example: judgeforge teacher --folder .judgeforge/batches/pairwise-1a2b3c4d --results output.jsonl
    """
    from judgeforge.prepare.teacher.batch import go_on  # noqa: PLC0415 - polars takes a while

    go_on(folder, results or [], cache)
