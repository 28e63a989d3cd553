"""Published figures beside ours: the paper's tables, each row marked as published and not measured here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from judgeforge.report.captions import describe_merge, describe_origin, title_benchmark
from judgeforge.report.figures import Figure, find_figure
from judgeforge.report.sources import Evaluation, Sources
from judgeforge.report.words import PUBLISHED

Name = Literal["direct", "pairwise", "formats", "consistency", "merging", "training"]
Column = tuple[str, str]
"""Benchmark, or a name of several together, and measure."""

_PAIRS = ("hhh_alignment", "mt_bench_human", "autoj_eval")
TOGETHER: Mapping[Column, tuple[str, ...]] = {
    ("merging_average", "pearson"): ("vicuna_bench", "mt_bench", "flask_human", "feedback_bench"),
    ("merging_average", "accuracy"): (*_PAIRS, "preference_bench"),
    ("training_average", "pearson"): ("vicuna_bench", "mt_bench", "flask"),
    ("training_average", "accuracy"): _PAIRS,
    ("whole", "swap_consistency"): (*_PAIRS, "preference_bench"),
    ("whole", "paper_transitivity"): (*_PAIRS, "preference_bench"),
}
"""Columns that take several benchmarks together, by their mean, and which."""

_RERUN = "arXiv 2409.14664"
SOURCE_NOTES: Mapping[str, str] = {
    _RERUN: (
        f"{_RERUN} decodes greedily, counts the better of two orders, and reports its own SFR-Judge. Its direct "
        "figures of Auto-J and Prometheus-2-8x7B are the least certain to have been read aright."
    )
}


@dataclass(frozen=True)
class PublishedTable:
    """A table to rebuild.

    Args:
        title: of the table.
        measures: of each benchmark's columns.
        note: what a reader has to know of it.
        sparse: a row needs one of these measures; none: any.
    """

    title: str
    measures: tuple[str, ...]
    note: str = ""
    sparse: tuple[str, ...] = ()


TABLES: Mapping[Name, PublishedTable] = {
    "direct": PublishedTable("Direct assessment", ("pearson", "spearman", "kendall")),
    "pairwise": PublishedTable("Pairwise ranking", ("accuracy", "accuracy_with_ties")),
    "formats": PublishedTable(
        "Pairs judged by direct grades",
        ("direct_for_pairwise_accuracy", "accuracy", "format_gap"),
        "The gap has a sign: accuracy by comparing less accuracy by direct grades, in points. Published accuracies by "
        "direct grades are at hand for Prometheus-2-7B alone.",
        ("direct_for_pairwise_accuracy", "format_gap"),
    ),
    "consistency": PublishedTable(
        "Consistency",
        ("run_alpha", "swap_consistency"),
        "“Transitivity” as the paper counts it takes two premises from the gold labels and tests one verdict of the "
        "judge: it is an accuracy on pairs that lie far apart, and no transitivity. It is not measured here; “Fits a "
        "ranking” among all measures is. Same in both orders, together, is the mean of the benchmarks.",
    ),
    "merging": PublishedTable("Ways of merging", ("pearson", "accuracy"), "Averages are of the table's benchmarks."),
    "training": PublishedTable(
        "Ways of training",
        (),
        "Averages of Vicuna Bench, MT Bench and FLASK, and of HHH Alignment, MT Bench (people) and Auto‑J Eval. The "
        "published average of the merged 7B counts 0.659 for FLASK, where Table 3 has 0.617 (and 0.659 for the 8x7B).",
    ),
}


class PublishedRow(BaseModel):
    """What somebody published of one model and measure.

    Args:
        table: where it is shown.
        model: as its publishers call it.
        measure: our name of it; ``format_gap`` is the paper's Delta, ``run_alpha`` Krippendorff's alpha of three runs.
        source: the paper.
        place: the table in it.
        values: benchmark, or a name in ``TOGETHER``, to value; shares as shares.
        rounded: they were published with one digit less than the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: Name
    model: str
    measure: str
    source: str
    place: str
    values: dict[str, float]
    rounded: bool = False


def load_published() -> list[PublishedRow]:
    """Load the figures that ship with judgeforge."""
    text = (resources.files("judgeforge.report") / "published.json").read_text("utf-8")
    return [PublishedRow.model_validate(row) for row in json.loads(text)]


def build_published_tables(sources: Sources) -> list[dict[str, Any]]:
    """Rebuild the papers' tables for the benchmarks that were judged here.

    Returns:
        of each table that has a column: ``title``, ``note``, ``columns`` (benchmark and measure), ``benchmarks`` (that
        figures are from), ``sources`` (a line) and ``rows``: ``name``, ``origin`` in words, ``published``, and
        ``figures``, a ``Figure`` a column.
    """
    published = load_published()
    tables = []
    for name, table in TABLES.items():
        rows = [row for row in published if row.table == name]
        columns = _choose_columns(sources, table, rows)
        ours = _list_ours(sources, name, columns)
        if not columns or (name == "merging" and not ours):
            continue
        theirs, used = _list_theirs(rows, columns, table.sparse)
        tables.append(
            {
                "title": table.title,
                "note": " ".join([table.note, *(SOURCE_NOTES[each] for each in used if each in SOURCE_NOTES)]).strip(),
                "columns": columns,
                "benchmarks": _list_benchmarks(sources, columns),
                "sources": _cite(used),
                "rows": ours + theirs,
            }
        )
    return tables


def name_column(sources: Sources, benchmark: str, measure: str) -> str:
    """Name what a column's figures are from, with the mark of a barred benchmark."""
    if (benchmark, measure) not in TOGETHER:
        return title_benchmark(sources, benchmark)
    return "Together" if benchmark == "whole" else "Average"


def _choose_columns(sources: Sources, table: PublishedTable, rows: Sequence[PublishedRow]) -> list[Column]:
    known = {(benchmark, row.measure) for row in rows for benchmark in row.values}
    columns = [(name, measure) for name in sources.names for measure in table.measures if (name, measure) in known]
    together = [
        column for column, parts in TOGETHER.items() if column in known and any(name in sources.names for name in parts)
    ]
    return columns + together


def _list_benchmarks(sources: Sources, columns: Sequence[Column]) -> list[str]:
    used = {name for column in columns for name in TOGETHER.get(column, (column[0],))}
    return [name for name in sources.names if name in used]


def _list_ours(sources: Sources, name: Name, columns: Sequence[Column]) -> list[dict[str, Any]]:
    judges = [each for each in sources.evaluations if name != "merging" or each.judge == "merged" or each.merge]
    rows = []
    for each in judges:
        figures = [_find_ours(each, column) for column in columns]
        if any(figure.state != "absent" for figure in figures):
            shown = describe_merge(each) if name == "merging" else each.judge
            origin = describe_origin(each)
            rows.append({"name": shown, "judge": each.judge, "origin": origin, "published": False, "figures": figures})
    return rows


def _find_ours(evaluation: Evaluation, column: Column) -> Figure:
    if column not in TOGETHER:
        return find_figure(evaluation, *column)
    if column[1] == "paper_transitivity":
        return Figure(None, state="absent", reason="not measured here")
    parts = [find_figure(evaluation, name, column[1]) for name in TOGETHER[column]]
    values = [part.value for part in parts if part.value is not None]
    if len(values) < len(parts):
        return Figure(None, state="absent", reason="not measured on all of its benchmarks")
    return Figure(sum(values) / len(values))


def _list_theirs(
    rows: Sequence[PublishedRow], columns: Sequence[Column], needed: Sequence[str]
) -> tuple[list[dict[str, Any]], dict[str, set[str]]]:
    models: dict[tuple[str, str], list[PublishedRow]] = {}
    for row in rows:
        models.setdefault((row.model, row.source), []).append(row)
    found: list[dict[str, Any]] = []
    used: dict[str, set[str]] = {}
    for (model, source), own in models.items():
        values = {(name, row.measure): (value, row) for row in own for name, value in row.values.items()}
        kept = [values.get(column) for column in columns]
        if not any(each and (not needed or each[1].measure in needed) for each in kept):
            continue
        figures = [
            Figure(each[0], rounded=each[1].rounded) if each else Figure(None, state="absent", reason="not published")
            for each in kept
        ]
        places = {each[1].place for each in kept if each and each[1].place}
        used.setdefault(source, set()).update(places)
        found.append(
            {"name": model, "origin": f"{PUBLISHED}: {source}", "published": True, "source": source, "figures": figures}
        )
    return found, used


def _cite(used: Mapping[str, set[str]]) -> str:
    """Name each paper once, with its tables: "arXiv 2405.01535, Tables 3, 11, 12"."""
    cited = []
    for source, places in used.items():
        numbers = sorted(int(place.removeprefix("Table ")) for place in places)
        word = "Table" if len(numbers) == 1 else "Tables"
        cited.append(f"{source}, {word} {', '.join(map(str, numbers))}" if numbers else source)
    return "; ".join(cited)
