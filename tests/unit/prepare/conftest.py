"""Rows in the Feedback Collection's columns, and the committed parameters of the stage."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from judgeforge.params import PrepareParams, load_section
from judgeforge.params.sources import FEEDBACK_COLLECTION
from judgeforge.prepare.feedback import OfflineTeacher, Teacher
from judgeforge.prepare.run import Outputs, prepare
from judgeforge.prepare.sources.checking import Checker
from judgeforge.prepare.sources.loading import Loader
from judgeforge.prepare.sources.reading import gather_rows

ROOT = Path(__file__).parents[3]
RawRow = dict[str, Any]


@pytest.fixture(scope="session")
def params() -> PrepareParams:
    return load_section("prepare", PrepareParams, ROOT / "params.yaml")


@pytest.fixture(scope="session")
def raw_row() -> Callable[..., RawRow]:
    def build(**changed: Any) -> RawRow:
        row = {
            "orig_instruction": "Name a colour.",
            "orig_response": "Blue.",
            "orig_reference_answer": "Red.",
            "orig_criteria": "Is it a colour?",
            **{f"orig_score{level}_description": f"level {level}" for level in range(1, 6)},
            "orig_feedback": "It names one.",
            "orig_score": "4",
        }
        return {key: value for key, value in (row | changed).items() if value is not ...}

    return build


@pytest.fixture(scope="session")
def check() -> Callable[..., tuple[pl.DataFrame, list[tuple[int, str]]]]:
    """Check parsed rows of a layout: the good ones as a frame, the others as (line, reason)."""

    def run(rows: Iterable[RawRow], layout: Any = FEEDBACK_COLLECTION, levels: int | None = 5) -> Any:
        frames, faults = [], []
        for chunk in gather_rows(rows):
            good, bad = Checker(layout, levels, blank_feedback=False).check(chunk, "x")
            frames.append(good)
            faults += [(chunk.lines[index], reason) for index, reason in bad]
        return pl.concat(frames), faults

    return run


@pytest.fixture(scope="session")
def with_sources(params: PrepareParams) -> Callable[..., PrepareParams]:
    """Return the committed parameters with files as sources: paths, or whole entries, and other values."""

    def change(*sources: Any, **values: Any) -> PrepareParams:
        entries = []
        for number, source in enumerate(sources):
            entry = source if isinstance(source, dict) else {"path": str(source)}
            standard = {"name": f"source{number}", "kind": "file", "columns": "feedback_collection", "weight": 1.0}
            entries.append(standard | entry)
        return PrepareParams.model_validate(params.model_dump() | {"sources": entries} | values)

    return change


@pytest.fixture(scope="session")
def load(with_sources: Callable[..., PrepareParams]) -> Callable[..., tuple[pl.DataFrame, list[Any], Loader]]:
    """Read sources: all good rows, all quarantined ones, and the loader with its counts."""

    def run(*sources: Any, levels: int | None = 5, **values: Any) -> Any:
        loader = Loader(with_sources(*sources, **values), [], levels, blank_feedback=False)
        chunks = list(loader.load())
        return pl.concat(c.rows for c in chunks), [bad for chunk in chunks for bad in chunk.quarantined], loader

    return run


@pytest.fixture(scope="session")
def build() -> Callable[..., dict[str, Any]]:
    """Run the whole stage into a folder."""

    def run(params: PrepareParams, folder: Path, teacher: Teacher | None = None) -> dict[str, Any]:
        names = {"train": "train", "form": "form", "benchmarks": "benchmarks"}
        names |= {"statistics": "statistics.json", "quarantine": "quarantine.jsonl"}
        names |= {"page": "data.html", "card": "data_card.md"}
        out = Outputs(**{key: folder / name for key, name in names.items()})
        return prepare(params, out, teacher or OfflineTeacher())

    return run
