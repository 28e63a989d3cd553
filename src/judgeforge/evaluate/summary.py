"""What a person at the terminal sees of an evaluation: the main figures, and what stands below and above them."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from judgeforge.progress import console
from judgeforge.statistics import CHANCE, MAIN_MEASURE

_SHOWN = {
    "direct": ("pearson", "spearman", "kendall", "exact_agreement"),
    "pairwise": ("accuracy", "accuracy_with_ties", "accuracy_both_orders", "swap_consistency", "position_bias"),
}
BARRED = "†"
BARRED_NOTE = f"{BARRED} too many of its items were trained on: it decides nothing."


def show_metrics(metrics: Mapping[str, Any], floors: Mapping[str, Mapping[str, float | None]]) -> None:
    """Print a table of one judge: a row a benchmark and measure.

    Args:
        metrics: of one judge, as ``metrics.json`` holds them.
        floors: what trivial judges reach in the main measure, by benchmark and judge.
    """
    found = metrics["benchmarks"]
    note = BARRED_NOTE if any(entry["barred"] for entry in found.values()) else None
    table = Table(title=f"{metrics['judge']}, {metrics['mode']} mode", caption=note, box=SIMPLE)
    for name in ("benchmark", "measure", "value", "interval"):
        table.add_column(name, justify="right" if name == "value" else "left", no_wrap=True)
    for benchmark, entry in found.items():
        labels = _label(benchmark, entry)
        for number, row in enumerate(_list_rows(entry, floors[benchmark])):
            table.add_row(labels[number] if number < len(labels) else "", *row)
        table.add_section()
    console.print(table)


def _label(benchmark: str, entry: Mapping[str, Any]) -> list[str]:
    labels = [f"{benchmark}{f' {BARRED}' if entry['barred'] else ''}", f"{entry['items']:,} items"]
    if entry.get("ties"):
        labels.append(f"{entry['ties']:,} of them ties: only in accuracy with ties")
    if entry["contaminated"]:
        labels.append(f"{entry['contaminated']:,} more left out: in training")
    return labels


def _list_rows(entry: Mapping[str, Any], floors: Mapping[str, float | None]) -> list[tuple[str, str, str]]:
    rows = [
        (measure, *_write(entry["metrics"][measure]))
        for measure in _SHOWN[entry["format"]]
        if measure in entry["metrics"]
    ]
    graded = entry.get("direct_for_pairwise")
    if graded:
        rows += [("direct for pairwise", *_write(graded["accuracy"])), ("gap of formats", *_write(graded["gap"]))]
    main = MAIN_MEASURE[entry["format"]]
    rows += [("unparsable", "undefined" if entry["unparsable_rate"] is None else f"{entry['unparsable_rate']:.1%}", "")]
    rows += [(f"{main}: chance", f"{CHANCE[entry['format']]:.3f}", "")]
    rows += [
        (f"{main}: {name}", "undefined" if value is None else f"{value:.3f}", "") for name, value in floors.items()
    ]
    ceiling = entry["ceiling"]
    if ceiling:
        rows.append((f"{main}: ceiling", "undefined" if ceiling["value"] is None else f"{ceiling['value']:.3f}", ""))
        rows.append(("agreement of graders", f"{ceiling['agreement']:.3f}", ""))
    return rows


def _write(figure: Mapping[str, float | None]) -> tuple[str, str]:
    if figure["value"] is None:
        return "undefined", ""
    interval = "" if figure["low"] is None else f"{figure['low']:.3f} to {figure['high']:.3f}"
    return f"{figure['value']:.3f}", interval
