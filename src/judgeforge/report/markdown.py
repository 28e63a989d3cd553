"""The report's main tables as Markdown, for papers and pull requests."""

from collections.abc import Sequence

from judgeforge.report.captions import (
    describe_basis,
    describe_ceiling,
    describe_items,
    describe_origin,
    title_benchmark,
)
from judgeforge.report.figures import Figure, find_main
from judgeforge.report.numbers import format_cell, format_interval
from judgeforge.report.published import build_published_tables, name_column
from judgeforge.report.sections import list_marks
from judgeforge.report.sources import Sources
from judgeforge.report.words import MEASURE_TITLES
from judgeforge.statistics import MAIN_MEASURE

_FOOTNOTE = "–: not measured. undefined: measured, but the verdicts have no such figure, as where all are the same."


def write_markdown(sources: Sources) -> str:
    """Write the main figures and the published tables as Markdown."""
    formats = {name: sources.find_entry(name)["format"] for name in sources.names}
    measures = {name: MAIN_MEASURE[kind] for name, kind in formats.items()}
    head = [f"{title_benchmark(sources, name)}: {MEASURE_TITLES[measure]}" for name, measure in measures.items()]
    rows = []
    for each in sources.evaluations:
        cells = []
        for name, measure in measures.items():
            marks = list_marks(sources, each, name)
            figure = find_main(each, name, formats[name])
            cells.append(_write(figure, measure) + (f" [{', '.join(marks)}]" if marks else ""))
        rows.append([each.judge, describe_origin(each), *cells])
    parts = ["# Judges side by side", "", describe_basis(sources, sources.names), ""]
    parts += [*_tabulate(["judge", "answers", *head], rows), "", _FOOTNOTE, "", *_list_benchmarks(sources), ""]
    for table in build_published_tables(sources):
        columns = [f"{name_column(sources, *column)}: {MEASURE_TITLES[column[1]]}" for column in table["columns"]]
        rows = [[row["name"], *_format(row["figures"], table["columns"]), row["origin"]] for row in table["rows"]]
        parts += [f"## {table['title']}, beside published figures", ""]
        basis = describe_basis(sources, table["benchmarks"])
        parts += [f"Rows measured here: {basis[0].lower()}{basis[1:]} Published: {table['sources']}.", ""]
        parts += [*_tabulate(["", *columns, "source"], rows), "", *([table["note"], ""] if table["note"] else [])]
    return "\n".join(parts)


def _list_benchmarks(sources: Sources) -> list[str]:
    lines = []
    for name in sources.names:
        entry = sources.find_entry(name)
        ceiling = describe_ceiling(entry)
        described = f"{describe_items(entry)}. {ceiling}." if ceiling else f"{describe_items(entry)}."
        lines.append(f"- {title_benchmark(sources, name)}: {described}")
    return lines


def _format(figures: Sequence[Figure], columns: Sequence[tuple[str, str]]) -> list[str]:
    return [format_cell(figure, measure, True) for figure, (_, measure) in zip(figures, columns, strict=True)]


def _write(figure: Figure, measure: str) -> str:
    interval = format_interval(figure, measure)
    return format_cell(figure, measure) + (f" ({interval})" if interval else "")


def _tabulate(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
