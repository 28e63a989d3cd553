"""Wire the stage ``report``: the files of all other stages -> metrics and page, and a table on the terminal."""

from pathlib import Path

from judgeforge.files import write_json, write_text
from judgeforge.params import EvaluateParams, MatrixParams, load_section
from judgeforge.progress import console, say
from judgeforge.report.comparison import build_metrics, compute_differences
from judgeforge.report.files import write_figures, write_markdown
from judgeforge.report.page import render_page
from judgeforge.report.sources import load_sources
from judgeforge.report.table import render_terminal_table
from judgeforge.stage import run_stage


def main(*, evaluation: Path, curves: Path, statistics: Path, benchmarks: Path, metrics: Path, page: Path) -> None:
    """Write the metrics file and the page.

    Example: python -m judgeforge.report --evaluation evaluation --curves curves --statistics data/statistics.json
    --benchmarks data/benchmarks --metrics reports/metrics.json --page reports/report.html
    """
    evaluate = load_section("evaluate", EvaluateParams)
    sources = load_sources(
        load_section("matrix", MatrixParams),
        evaluation=evaluation,
        curves=curves,
        statistics=statistics,
        embedded_folder=benchmarks,
        benchmarks_folder=None if evaluate.benchmarks_folder is None else Path(evaluate.benchmarks_folder),
        benchmarks=evaluate.benchmarks,
    )
    differences = compute_differences(sources)
    figures = build_metrics(sources, differences)
    write_json(metrics, figures)
    write_text(page, render_page(sources, differences))
    write_text(page.with_suffix(".csv"), write_figures(sources))
    write_text(page.with_suffix(".md"), write_markdown(sources))
    console.print(render_terminal_table(figures))
    say(f"The report is at {page}, its figures beside it as CSV and Markdown.")


if __name__ == "__main__":
    run_stage(main)
