"""Training sets on disk: a folder of Parquet files each, written by ``prepare``, read by whoever learns or looks.

data/train holds ``direct``, ``pairwise``, ``validation_direct``, ``validation_pairwise`` (conversations),
``instructions`` (their texts, for the audit), ``lineage`` (which rows each example holds) and the judge template.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from judgeforge.errors import InputError
from judgeforge.grading.records import TrainingExample

INSTRUCTIONS = "instructions"
LINEAGE = "lineage"
JUDGE_LINEAGE = "lineage.parquet"
"""Beside a judge's weights: the lineage of all that it was trained on, ``set`` with the folder's name before it."""

_TEXT = pl.String()
EXAMPLES_SCHEMA = pl.Schema(
    {
        "example_id": _TEXT,
        "prompt_id": _TEXT,
        "format": _TEXT,
        "messages": pl.List(pl.Struct({"role": _TEXT, "content": _TEXT})),
        "scale": pl.List(pl.Int64()),
    }
)
"""``scale`` holds the lowest and the highest score of the example's rubric."""
INSTRUCTIONS_SCHEMA = pl.Schema({"prompt_id": _TEXT, "instruction": _TEXT, "responses": pl.List(_TEXT)})
LINEAGE_SCHEMA = pl.Schema({"row_id": _TEXT, "set": _TEXT, "example_id": _TEXT})
"""``set`` is the folder that holds the example; several rows may stand behind one example, and one row behind many."""

_PAGE_BYTES = 4 * 2**20
"""Repeated texts are found within a page, of which zstd's second level looks back 1 MB."""
_ZSTD_LEVEL = 2
"""A tenth faster than the third level, for a twentieth more of disk: writing is what the stage spends most on."""

_REMEDY = "write the sets again with 'dvc repro --force --single-item prepare'."


def name_file(number: int) -> str:
    """Return the name of a set's file."""
    return f"part-{number:05d}.parquet"


def load_table(folder: Path, name: str, schema: pl.Schema, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read one table of a folder of training sets.

    Args:
        folder: written by ``prepare``.
        name: of the table.
        schema: which columns it must have.
        columns: which to read; None: all.

    Raises:
        InputError: there is none, or a file is broken or has other columns.
    """
    paths = sorted((folder / name).glob("*.parquet"))
    if not paths:
        raise InputError(f"There is no training set {folder / name}.", _REMEDY)
    wanted = list(schema) if columns is None else list(columns)
    frames = []
    for path in paths:
        try:
            frame = pl.read_parquet(path, columns=wanted)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InputError(f"{path} is broken: {str(error).splitlines()[0]}.", _REMEDY) from error
        for column in wanted:
            if frame.schema[column] != schema[column]:
                raise InputError(
                    f"{path}: column {column} holds {frame.schema[column]}, not {schema[column]}.", _REMEDY
                )
        frames.append(frame)
    return pl.concat(frames)


def load_training_examples(folder: Path, name: str) -> list[TrainingExample]:
    """Read one set of conversations.

    Args:
        folder: written by ``prepare``.
        name: ``direct``, ``pairwise``, or one of them after ``validation_``.

    Raises:
        InputError: see ``load_table``; or a row is no training example.
    """
    examples = []
    for number, row in enumerate(load_table(folder, name, EXAMPLES_SCHEMA).iter_rows(named=True), start=1):
        try:
            examples.append(TrainingExample.model_validate(row))
        except ValidationError as error:
            raise InputError(
                f"Row {number} of {folder / name} is no training example: {error.errors()[0]['msg']}.", _REMEDY
            ) from error
    return examples


def write_judge_lineage(parts: Sequence[pl.DataFrame], folder: Path) -> None:
    """Write beside a judge's weights which rows it has seen; nothing where that is not known of any part."""
    known = [part for part in parts if part.height]
    if known:
        frame = pl.concat(known).unique().sort("set", "example_id", "row_id")
        write_table(frame, folder / JUDGE_LINEAGE)


def load_judge_lineage(folder: Path) -> pl.DataFrame:
    """Read which rows a judge has seen; none of a model that was not trained here.

    Raises:
        InputError: the file is broken.
    """
    path = folder / JUDGE_LINEAGE
    if not path.is_file():
        return pl.DataFrame(schema=LINEAGE_SCHEMA)
    try:
        return pl.read_parquet(path, columns=list(LINEAGE_SCHEMA))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is broken: {str(error).splitlines()[0]}.", "train the judge again.") from error


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write one file of a table, inside a folder that is being put together (``files.write_folder_atomically``)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(
        path, compression="zstd", compression_level=_ZSTD_LEVEL, statistics=False, data_page_size=_PAGE_BYTES
    )
