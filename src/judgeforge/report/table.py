"""The judges side by side, for a terminal."""

from collections.abc import Mapping
from typing import Any, get_args

from rich import box
from rich.table import Table
from rich.text import Text

from judgeforge.params import Judge, Reference
from judgeforge.report.words import BARRED, MEASURE_TITLES, format_figure, format_interval, format_share, name_benchmark
from judgeforge.statistics import CHANCE, MAIN_MEASURE

_REFERENCES = get_args(Reference)
_JUDGES = get_args(Judge)
_BAR_WIDTH = 8


def render_terminal_table(metrics: Mapping[str, Any]) -> Table:
    """Lay out the main measure of every judge and benchmark.

    Args:
        metrics: the content of the metrics file.
    """
    judges = sorted((name for name in metrics if name != "differences"), key=_find_place)
    table = Table(title="The judges side by side", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for header in ("benchmark", "judge", "", "value", "interval", "unparsable"):
        table.add_column(header, justify="right" if header in ("value", "unparsable") else "left", no_wrap=True)
    for benchmark, first in metrics[judges[0]].items():
        measure = MAIN_MEASURE[first["format"]]
        title = name_benchmark(benchmark) + (f" {BARRED}" if first["barred"] else "")
        if not first["items"]:
            table.add_row(Text(title, style="bold"), "", "", "–", "all in training", "")
            table.add_section()
            continue
        values = {judge: metrics[judge][benchmark]["metrics"][measure]["value"] for judge in judges}
        best = max((value for judge, value in values.items() if value is not None and _is_judge(judge)), default=None)
        chance = f"chance {format_figure(CHANCE[first['format']], measure)}"
        labels = [title, MEASURE_TITLES[measure], chance]
        for row, judge in enumerate(judges):
            entry = metrics[judge][benchmark]
            style = "dim" if not _is_judge(judge) else "bold green" if values[judge] == best is not None else ""
            table.add_row(
                Text(labels[row] if row < len(labels) else "", style="bold" if row == 0 else "dim"),
                Text(judge, style=style),
                Text("━" * round(_BAR_WIDTH * max(0.0, values[judge] or 0.0)), style=style or "blue"),
                Text(format_figure(values[judge], measure), style=style),
                Text(format_interval(entry["metrics"][measure], measure), style=style or "dim"),
                Text(format_share(entry["unparsable_rate"]), style=style),
            )
        table.add_section()
    return table


def _find_place(name: str) -> tuple[int, int, str]:
    """Order judges of ours, then guests, then references."""
    if name in _JUDGES:
        return 0, _JUDGES.index(name), name
    return (2, _REFERENCES.index(name), name) if name in _REFERENCES else (1, 0, name)


def _is_judge(name: str) -> bool:
    return name not in _REFERENCES
