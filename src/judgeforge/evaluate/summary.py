"""What a person at the terminal sees of an evaluation: the main figures with their intervals."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from judgeforge.progress import console

_SHOWN = {
    "direct": ("pearson", "spearman", "kendall", "exact_agreement"),
    "pairwise": ("accuracy", "accuracy_both_orders", "swap_consistency", "position_bias"),
}


def show_metrics(metrics: Mapping[str, Any]) -> None:
    """Print a table of one judge: a row a benchmark and measure."""
    table = Table(
        "benchmark", "measure", "value", "interval", "items", title=f"{metrics['judge']}, {metrics['mode']} mode"
    )
    for benchmark, entry in metrics["benchmarks"].items():
        name = benchmark
        for measure in _SHOWN[entry["format"]]:
            figure = entry["metrics"].get(measure)
            if figure is not None:
                table.add_row(name, measure, *_write(figure), str(entry["items"]) if name else "")
                name = ""
        rate = entry["unparsable_rate"]
        if rate:
            table.add_row("", "unparsable", f"{rate:.1%}", "", "")
    console.print(table)


def _write(figure: Mapping[str, float | None]) -> tuple[str, str]:
    if figure["value"] is None:
        return "undefined", ""
    interval = "" if figure["low"] is None else f"{figure['low']:.3f} to {figure['high']:.3f}"
    return f"{figure['value']:.3f}", interval
