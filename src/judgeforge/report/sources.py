"""What the report is made of: the files of the other stages, loaded and checked against one another."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import polars as pl

from judgeforge.benchmarks import Benchmark, load_benchmark
from judgeforge.errors import InputError
from judgeforge.files import load_json, load_json_rows
from judgeforge.params import Judge, MatrixParams, Reference
from judgeforge.statistics import build_judged_items, select_main
from judgeforge.verdicts import load_evaluation

REFERENCES: tuple[str, ...] = get_args(Reference)
_OURS: tuple[str, ...] = get_args(Judge)


@dataclass(frozen=True)
class Evaluation:
    """One judge's metrics, by benchmark, and the answers they were computed from, with one verdict an item."""

    judge: str
    metrics: dict[str, dict[str, Any]]
    verdicts: pl.DataFrame
    judged: pl.DataFrame
    template: str | None

    @property
    def is_reference(self) -> bool:
        """Whether it is a trivial judge."""
        return self.judge in REFERENCES

    def select(self, benchmark: str) -> pl.DataFrame:
        """Return the judged items of one benchmark."""
        return self.judged.filter(pl.col("benchmark") == benchmark)

    def find_answer(self, benchmark: str, item_id: str) -> dict[str, Any]:
        """Return the first answer to an item."""
        chosen = (pl.col("benchmark") == benchmark) & (pl.col("item_id") == item_id)
        return self.verdicts.filter(chosen & (pl.col("method") == pl.col("format"))).row(0, named=True)


@dataclass(frozen=True)
class Sources:
    """All that a report shows.

    Args:
        evaluations: judges, then references, in the order of params.yaml.
        benchmarks: those that were judged, whole, in the order of the verdicts.
        curves: format to the points of its training.
        statistics: what ``prepare`` counted.
    """

    evaluations: tuple[Evaluation, ...]
    benchmarks: dict[str, Benchmark]
    curves: dict[str, list[dict[str, Any]]]
    statistics: dict[str, Any]

    @property
    def subject(self) -> Evaluation:
        """The judge that the report is about: the merged one, or else the last that is no reference."""
        judges = [evaluation for evaluation in self.evaluations if evaluation.judge in _OURS]
        merged = [evaluation for evaluation in judges if evaluation.judge == "merged"]
        return (merged or judges[-1:])[0]


def load_sources(
    matrix: MatrixParams,
    *,
    evaluation: Path,
    curves: Path,
    statistics: Path,
    embedded_folder: Path,
    benchmarks_folder: Path | None,
    benchmarks: Sequence[str],
) -> Sources:
    """Load what ``matrix`` names; older files of other judges and formats are left alone.

    Args:
        matrix: the judges, references and formats.
        evaluation: a folder a judge.
        curves: a file a format.
        statistics: of the training sets.
        embedded_folder: of the embedded benchmarks.
        benchmarks_folder: of the published ones.
        benchmarks: what was judged, as params.yaml names it: names, and files of benchmarks of one's own.

    Raises:
        InputError: a file is missing or broken, or the judges judged different benchmarks.
    """
    evaluations = [
        _load_evaluation(evaluation / name, name) for name in (*matrix.judges, *matrix.guests, *matrix.references)
    ]
    names = list(evaluations[0].metrics)
    loaded = [load_benchmark(each, embedded_folder, benchmarks_folder) for each in benchmarks]
    for other in evaluations:
        if set(other.metrics) != set(names):
            raise InputError(
                f"{evaluations[0].judge} and {other.judge} judged different benchmarks.",
                "evaluate both again with 'dvc repro'.",
            )
    return Sources(
        evaluations=tuple(evaluations),
        benchmarks={each.name: each for each in loaded if each.name in names},
        curves={kind: load_json_rows(curves / f"{kind}.jsonl") for kind in (*matrix.warm_ups, *matrix.formats)},
        statistics=load_json(statistics),
    )


def _load_evaluation(folder: Path, name: str) -> Evaluation:
    document, verdicts = load_evaluation(folder)
    found = document["benchmarks"]
    order = verdicts["benchmark"].unique(maintain_order=True).to_list()
    template = document.get("template")
    return Evaluation(
        judge=name,
        metrics={benchmark: found[benchmark] for benchmark in order},
        verdicts=verdicts,
        judged=select_main(build_judged_items(verdicts)),
        template=template["name"] if template else None,
    )
