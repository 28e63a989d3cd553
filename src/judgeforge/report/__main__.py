"""Wire the stage ``report``: the files of all other stages -> metrics and page, and a table on the terminal."""

from pathlib import Path
from typing import Annotated

import typer

from judgeforge.benchmarks import Benchmark, load_benchmark
from judgeforge.errors import InputError
from judgeforge.files import write_json, write_text
from judgeforge.params import EvaluateParams, MatrixParams, SearchParams, load_section
from judgeforge.progress import console, say
from judgeforge.report.comparison import build_metrics, compute_differences
from judgeforge.report.files import write_figures, write_main_figures
from judgeforge.report.loading import load_sources
from judgeforge.report.markdown import write_markdown
from judgeforge.report.page import render_page
from judgeforge.report.table import render_terminal_table
from judgeforge.stage import run_stage

_CHOSEN = Path("reports/chosen")


def main(
    *,
    judges: Annotated[
        str | None, typer.Option(help="Names of evaluations, with commas, in place of those of params.yaml.")
    ] = None,
    out: Annotated[Path, typer.Option(help="With --judges, the folder of what is written.")] = _CHOSEN,
    benchmark: Annotated[
        list[str] | None, typer.Option(help="With --judges, a benchmark to show examples of, by name or YAML file.")
    ] = None,
    evaluation: Annotated[Path, typer.Option(help="The folder of all evaluations.")] = Path("evaluation"),
    benchmarks: Annotated[Path, typer.Option(help="The folder of the embedded benchmarks.")] = Path("data/benchmarks"),
    curves: Annotated[Path, typer.Option(help="The folder of the training curves.")] = Path("curves"),
    statistics: Annotated[Path, typer.Option(help="Statistics of the training sets.")] = Path("data/statistics.json"),
    search: Annotated[Path, typer.Option(help="The folder of the search for a merge.")] = Path("search"),
    metrics: Annotated[Path, typer.Option(help="The metrics file to write.")] = Path("reports/metrics.json"),
    page: Annotated[Path, typer.Option(help="The page to write; CSV and Markdown go beside it.")] = Path(
        "reports/report.html"
    ),
) -> None:
    """Write the metrics file and the page that compare the judges.

    The judges are those of params.yaml (matrix.judges, guests and references). With --judges any folders of
    evaluation/ are compared, params.yaml stays as it is, and all files go to --out.

    Example: judgeforge report; judgeforge report --judges gpt-4,theirs,longer
    """
    evaluate, matrix = load_section("evaluate", EvaluateParams), load_section("matrix", MatrixParams)
    chosen = [name.strip() for name in judges.split(",") if name.strip()] if judges is not None else None
    if chosen is not None:
        metrics, page = out / "metrics.json", out / "report.html"
    names = [*matrix.judges, *matrix.guests, *matrix.references] if chosen is None else chosen
    searched = chosen is None and "merged" in names and load_section("search", SearchParams).enabled
    sources = load_sources(
        names,
        [*matrix.warm_ups, *matrix.formats] if chosen is None else [],
        evaluation=evaluation,
        curves=curves,
        statistics=statistics,
        search=search if searched else None,
        benchmarks=_load_texts(evaluate, benchmark, benchmarks, strict=chosen is None and bool(matrix.judges)),
    )
    differences = compute_differences(sources)
    write_json(metrics, build_metrics(sources, differences))
    write_text(page, render_page(sources, differences))
    write_text(page.with_suffix(".csv"), write_figures(sources))
    write_text(page.with_name(f"{page.stem}_main.csv"), write_main_figures(sources))
    write_text(page.with_suffix(".md"), write_markdown(sources))
    console.print(render_terminal_table(sources))
    say(f"The report is at {page}, its figures beside it as CSV and Markdown.")


def _load_texts(
    evaluate: EvaluateParams, named: list[str] | None, embedded: Path, *, strict: bool
) -> dict[str, Benchmark]:
    """Load the benchmarks for examples and notes; without ``strict`` one that is not at hand is passed over, and said.

    Raises:
        InputError: one cannot be loaded.
    """
    folder = None if evaluate.benchmarks_folder is None else Path(evaluate.benchmarks_folder)
    found = {}
    for name in named or evaluate.benchmarks:
        try:
            benchmark = load_benchmark(name, embedded, folder)
        except InputError as error:
            if strict:
                raise
            say(f"No examples of {name}: {error}")
        else:
            found[benchmark.name] = benchmark
    return found


if __name__ == "__main__":
    run_stage(main)
