"""The judges side by side, for a terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from judgeforge.report.captions import BARRED_NOTE, describe_ceiling, is_barred, title_benchmark
from judgeforge.report.figures import Figure, find_main
from judgeforge.report.numbers import format_cell, format_figure, format_interval, format_share
from judgeforge.report.sections import choose_best
from judgeforge.report.sources import Sources
from judgeforge.report.words import MEASURE_TITLES
from judgeforge.statistics import CHANCE, MAIN_MEASURE

_LONGEST_NAME = 13
_LONGEST_BAR = 8
_NAME_AND_BAR = 16
"""Characters of both columns, lest the table be wider than 80."""


def render_terminal_table(sources: Sources) -> Table:
    """Lay out the main measure of every judge and benchmark.

    Args:
        sources: of the report.
    """
    barred = any(is_barred(sources, name) for name in sources.names)
    table = Table(
        title=f"The judges side by side, {sources.mode} mode",
        caption=BARRED_NOTE if barred else None,
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("benchmark", no_wrap=True)
    width = min(_LONGEST_NAME, max(len(each.judge) for each in sources.evaluations))
    table.add_column("judge", overflow="fold", min_width=width, max_width=width)
    table.add_column("", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("interval", no_wrap=True)
    table.add_column("unparsable", justify="right", no_wrap=True)
    bar = min(_LONGEST_BAR, _NAME_AND_BAR - width)
    for name in sources.names:
        _add_benchmark(table, sources, name, bar)
        table.add_section()
    return table


def _add_benchmark(table: Table, sources: Sources, name: str, bar: int) -> None:
    entry = sources.find_entry(name)
    measure = MAIN_MEASURE[entry["format"]]
    title = title_benchmark(sources, name)
    if not entry["items"]:
        table.add_row(Text(title, style="bold"), "", "", "–", "all in training", "")
        return
    figures = {each.judge: find_main(each, name, entry["format"]) for each in sources.evaluations}
    best = choose_best(sources, name, figures)
    labels = [title, MEASURE_TITLES[measure], f"chance {format_figure(CHANCE[entry['format']], measure)}"]
    if entry["contaminated"]:
        labels.append(f"trained on: {entry['contaminated']:,}")
    ceiling = entry["ceiling"] if describe_ceiling(entry) else None
    if ceiling and "agreement" in ceiling:
        labels.append(f"graders agree {format_figure(ceiling['agreement'], measure)}")
    if ceiling:
        labels.append(
            f"ceiling {'undefined' if ceiling['value'] is None else format_figure(ceiling['value'], measure)}"
        )
    rows = [
        _write_row(sources, name, each, figures[each], "bold green" if each in best else "", bar) for each in figures
    ]
    rows += [[Text("")] * 5] * (len(labels) - len(rows))
    for number, row in enumerate(rows):
        label = labels[number] if number < len(labels) else ""
        table.add_row(Text(label, style="bold" if number == 0 else "dim"), *row)


def _write_row(sources: Sources, name: str, judge: str, figure: Figure, style: str, bar: int) -> list[Text]:
    evaluation = next(each for each in sources.evaluations if each.judge == judge)
    measure = MAIN_MEASURE[sources.find_entry(name)["format"]]
    rate = evaluation.metrics[name]["unparsable_rate"] if name in evaluation.metrics else None
    style = "dim" if evaluation.is_reference else style
    return [
        Text(judge, style=style),
        Text("━" * round(bar * max(0.0, figure.value or 0.0)), style=style or "blue"),
        Text(format_cell(figure, measure), style=style),
        Text(format_interval(figure, measure), style=style or "dim"),
        Text(format_share(rate), style=style),
    ]
