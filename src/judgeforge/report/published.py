"""Published figures beside ours: the paper's tables, each row marked as published and not measured here."""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from judgeforge.report.sources import Sources

Kind = Literal["judge", "merge"]

TABLES: Mapping[str, tuple[Kind, tuple[str, ...]]] = {
    "Direct assessment": ("judge", ("pearson", "spearman", "kendall")),
    "Pairwise ranking": ("judge", ("accuracy", "accuracy_with_ties")),
    "Consistency": ("judge", ("format_gap", "run_alpha")),
    "Ways of merging": ("merge", ("pearson", "accuracy")),
}
"""The paper's tables: title to whose rows and which measures."""


class PublishedFigure(BaseModel):
    """A figure that somebody published.

    Args:
        model: as its publishers call it.
        benchmark: our name of it.
        measure: our name of it; ``format_gap`` is the paper's Delta, ``run_alpha`` Krippendorff's alpha of three runs.
        value: shares as shares.
        source: paper and table.
        kind: ``merge`` for a row of the ablation of merging.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    benchmark: str
    measure: str
    value: float
    source: str
    kind: Kind


def load_published() -> list[PublishedFigure]:
    """Load the figures that ship with judgeforge: Tables 3, 4, 11 to 14 and 17 of Prometheus 2 (arXiv 2405.01535)."""
    text = (resources.files("judgeforge.report") / "published.json").read_text("utf-8")
    return [PublishedFigure.model_validate(row) for row in json.loads(text)]


def build_published_tables(sources: Sources) -> list[dict[str, Any]]:
    """Rebuild the paper's tables for the benchmarks that were judged here.

    Returns:
        of each table that has a column: ``title``, ``columns`` (benchmark and measure), and ``rows`` (``name``,
        ``source``, None for a judge measured here, and a value or None a column).
    """
    published = load_published()
    tables = []
    for title, (kind, measures) in TABLES.items():
        own = [figure for figure in published if figure.kind == kind and figure.measure in measures]
        known = {(figure.benchmark, figure.measure) for figure in own}
        columns = [
            (benchmark, measure)
            for benchmark in sources.subject.metrics
            for measure in measures
            if (benchmark, measure) in known
        ]
        if columns:
            rows = _list_ours(sources, columns, kind) + _list_theirs(own, columns)
            tables.append({"title": title, "columns": columns, "rows": rows})
    return tables


def find_figure(entry: Mapping[str, Any], measure: str) -> float | None:
    """Find a figure in a judge's entry of one benchmark, those of consistency among them."""
    if measure == "run_alpha":
        return entry["run_alpha"]  # type: ignore[no-any-return]
    if measure == "format_gap":
        gap = entry.get("direct_for_pairwise")
        return None if gap is None else gap["gap"]["value"]
    figure = entry["metrics"].get(measure)
    return None if figure is None else figure["value"]


def _list_ours(sources: Sources, columns: Sequence[tuple[str, str]], kind: Kind) -> list[dict[str, Any]]:
    judges = sources.evaluations if kind == "judge" else (sources.subject,)
    rows = []
    for each in judges:
        values = [find_figure(each.metrics[benchmark], measure) for benchmark, measure in columns]
        if any(value is not None for value in values):
            rows.append({"name": each.judge, "source": None, "values": values})
    return rows


def _list_theirs(figures: Sequence[PublishedFigure], columns: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[tuple[str, str], PublishedFigure]] = {}
    for figure in figures:
        found.setdefault((figure.model, "published"), {})[figure.benchmark, figure.measure] = figure
    rows = []
    for (model, _), own in found.items():
        kept = [own.get(column) for column in columns]
        if any(kept):
            source = "; ".join(dict.fromkeys(figure.source for figure in kept if figure))
            values = [figure.value if figure else None for figure in kept]
            rows.append({"name": model, "source": source, "values": values})
    return rows
