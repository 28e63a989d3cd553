"""What the report is made of: judges, the answers they gave, and what is known of benchmarks and training."""

from dataclasses import dataclass, field
from typing import Any, get_args

import polars as pl

from judgeforge.benchmarks import Benchmark
from judgeforge.params import Judge, Reference
from judgeforge.verdicts import Origin

REFERENCES: tuple[str, ...] = get_args(Reference)
OURS: tuple[str, ...] = get_args(Judge)


@dataclass(frozen=True)
class Evaluation:
    """One judge's metrics, by benchmark, and the answers they were computed from, with one verdict an item.

    Args:
        origin: where the answers came from.
        merge: method and alpha of a merged judge.
    """

    judge: str
    metrics: dict[str, dict[str, Any]]
    verdicts: pl.DataFrame
    judged: pl.DataFrame
    template: str | None
    origin: Origin = "model"
    merge: dict[str, Any] | None = None

    @property
    def is_reference(self) -> bool:
        """Whether it is a trivial judge."""
        return self.judge in REFERENCES

    @property
    def is_ours(self) -> bool:
        """Whether the pipeline made it."""
        return self.judge in OURS

    def select(self, benchmark: str) -> pl.DataFrame:
        """Return the judged items of one benchmark."""
        return self.judged.filter(pl.col("benchmark") == benchmark)

    def list_counted(self, benchmark: str) -> set[str]:
        """List the ids of the items that its figures rest on."""
        return set(self.select(benchmark).filter(~pl.col("contaminated"))["item_id"])

    def asked_in_one_order(self, benchmark: str) -> bool:
        """Tell whether pairs were shown in one order only."""
        rows = self.select(benchmark).filter(pl.col("format") == "pairwise")
        return bool(rows.height) and not (rows["judged_given"] & rows["judged_swapped"]).fill_null(False).any()

    def count_samples(self, benchmark: str) -> int:
        """Count the answers to one question."""
        chosen = (pl.col("benchmark") == benchmark) & (pl.col("method") == pl.col("format"))
        return self.verdicts.filter(chosen)["sample"].n_unique()

    def find_answer(self, benchmark: str, item_id: str) -> dict[str, Any]:
        """Return the first answer to an item."""
        chosen = (pl.col("benchmark") == benchmark) & (pl.col("item_id") == item_id)
        return self.verdicts.filter(chosen & (pl.col("method") == pl.col("format"))).row(0, named=True)


@dataclass(frozen=True)
class Sources:
    """All that a report shows.

    Args:
        evaluations: judges, guests, then references.
        benchmarks: those whose texts are at hand, whole.
        curves: format to the points of its training; empty where nothing was trained.
        statistics: what ``prepare`` counted; None where nothing was trained.
        search: candidates of the search for a merge (``report/searching.py``); None without one.
    """

    evaluations: tuple[Evaluation, ...]
    benchmarks: dict[str, Benchmark] = field(default_factory=dict)
    curves: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statistics: dict[str, Any] | None = None
    search: list[dict[str, Any]] | None = None

    @property
    def subject(self) -> Evaluation:
        """The judge that the report is about: the merged one, else the last of ours, else the first guest."""
        ours = [each for each in self.evaluations if each.is_ours]
        merged = [each for each in ours if each.judge == "merged"]
        guests = [each for each in self.evaluations if not each.is_reference]
        return [*merged, *ours[-1:], *guests, *self.evaluations][0]

    @property
    def names(self) -> list[str]:
        """Benchmarks: the subject's, then what others judged besides."""
        return list(dict.fromkeys(name for each in (self.subject, *self.evaluations) for name in each.metrics))

    @property
    def mode(self) -> str:
        """How the items were judged (docs/judging.md)."""
        return next(iter(self.subject.metrics.values()))["mode"]  # type: ignore[no-any-return]

    def list_judging(self, benchmark: str) -> list[Evaluation]:
        """List who judged a benchmark."""
        return [each for each in self.evaluations if benchmark in each.metrics]

    def find_entry(self, benchmark: str) -> dict[str, Any]:
        """Return the subject's metrics of a benchmark, or of the first that judged it: the items are the same."""
        return self.find_leader(benchmark).metrics[benchmark]

    def find_leader(self, benchmark: str) -> Evaluation:
        """Return the subject, or where it did not judge the benchmark the first that did."""
        return self.subject if benchmark in self.subject.metrics else self.list_judging(benchmark)[0]
