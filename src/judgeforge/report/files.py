"""The report's figures as CSV and Markdown, for spreadsheets, papers and `dvc plots`."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from judgeforge.report.published import build_published_tables
from judgeforge.report.sources import Sources
from judgeforge.report.words import MEASURE_TITLES, format_figure, format_interval, name_benchmark
from judgeforge.statistics import MAIN_MEASURE

_COLUMNS = (
    *("judge", "benchmark", "format", "mode", "measure", "value", "low", "high"),
    *("items", "prompts", "contaminated", "barred", "unparsable_rate"),
)


def write_figures(sources: Sources) -> str:
    """Write every figure as CSV, a row a judge, benchmark and measure."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for each in sources.evaluations:
        for benchmark, entry in each.metrics.items():
            shared = {name: entry[name] for name in _COLUMNS if name in entry}
            for measure, figure in entry["metrics"].items():
                writer.writerow(shared | {"judge": each.judge, "benchmark": benchmark, "measure": measure} | figure)
    return text.getvalue()


def write_markdown(sources: Sources) -> str:
    """Write the main figures and the paper's tables as Markdown."""
    benchmarks = list(sources.subject.metrics)
    parts = ["# Judges side by side", ""]
    measures = {name: MAIN_MEASURE[sources.subject.metrics[name]["format"]] for name in benchmarks}
    head = [f"{name_benchmark(name)}: {MEASURE_TITLES[measures[name]]}" for name in benchmarks]
    rows = []
    for each in sources.evaluations:
        figures = [each.metrics[name]["metrics"][measures[name]] for name in benchmarks]
        rows.append(
            [each.judge, *(_write(figure, measures[name]) for name, figure in zip(benchmarks, figures, strict=False))]
        )
    parts += [*_tabulate(["judge", *head], rows), ""]
    for table in build_published_tables(sources):
        columns = [f"{name_benchmark(benchmark)}: {MEASURE_TITLES[measure]}" for benchmark, measure in table["columns"]]
        rows = [
            [
                row["name"],
                *_format(row["values"], table["columns"]),
                _describe_source(row["source"]),
            ]
            for row in table["rows"]
        ]
        parts += [f"## {table['title']}, beside published figures", "", *_tabulate(["", *columns, "source"], rows), ""]
    return "\n".join(parts)


def _describe_source(source: str | None) -> str:
    return f"{source}, published, not measured here" if source else "measured here"


def _format(values: Sequence[float | None], columns: Sequence[tuple[str, str]]) -> list[str]:
    return [format_figure(value, measure) for value, (_, measure) in zip(values, columns, strict=True)]


def _write(figure: Mapping[str, Any], measure: str) -> str:
    interval = format_interval(figure, measure)
    return format_figure(figure["value"], measure) + (f" ({interval})" if interval else "")


def _tabulate(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
