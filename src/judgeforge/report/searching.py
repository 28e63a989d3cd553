"""The search for a merge: its candidates on the validation sets, as curves over alpha, dots and a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import polars as pl

from judgeforge.errors import InputError
from judgeforge.grading.records import Format
from judgeforge.report.alphas import build_alpha_curves
from judgeforge.report.charts import build_dots
from judgeforge.report.figures import Figure
from judgeforge.report.numbers import UNDEFINED, format_difference
from judgeforge.statistics import MAIN_MEASURE

TABLE = "candidates.csv"
"""What the stage ``search`` writes; stages do not import one another."""
_NEEDED = {"name", "method", "alpha", "scaling", "density", "failure", "objective", "unparsable", "chosen"}


def load_search(path: Path) -> list[dict[str, Any]] | None:
    """Read the candidates, the first of which is what stands in the section ``merge``; None where nothing was searched.

    Args:
        path: the table of the stage ``search``.

    Raises:
        InputError: the table is broken.
    """
    if not path.is_file():
        return None
    remedy = "search again with 'judgeforge search'."
    try:
        table = pl.read_csv(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is broken: {str(error).splitlines()[0]}.", remedy) from error
    if table.height == 0:
        return None
    measures = {f"{measure}{end}" for measure in MAIN_MEASURE.values() for end in ("", "_low", "_high")}
    if missing := sorted((_NEEDED | measures) - set(table.columns)):
        raise InputError(f"{path} has no column {missing[0]}.", remedy)
    return table.to_dicts()


def build_search(candidates: Sequence[dict[str, Any]] | None) -> dict[str, Any] | None:
    """Lay out the candidates: curves over alpha, a plot a format with methods together, and a table.

    Args:
        candidates: of ``load_search``.
    """
    if candidates is None:
        return None
    rows = sorted(candidates, key=lambda row: (row["method"], row["alpha"], row["name"]))
    chosen = next(row["name"] for row in candidates if row["chosen"])
    plots = [
        {
            "format": kind,
            "measure": MAIN_MEASURE[kind],
            "plot": build_dots(kind, _find_figures(rows, kind)),
            "curves": build_alpha_curves(kind, _find_series(rows, kind)),
        }
        for kind in get_args(Format)
    ]
    return {
        **{"chosen": chosen, "standing": candidates[0]["name"], "plots": plots, "rows": list(map(_describe, rows))},
        "kinds": {row["name"]: "subject" if row["name"] == chosen else "judge" for row in rows},
    }


def _find_series(rows: Sequence[dict[str, Any]], format: Format) -> dict[str, list[tuple[float, Figure, bool]]]:
    """Bring together what differs in alpha and seed alone."""
    found: dict[str, list[tuple[float, Figure, bool]]] = {}
    for row in rows:
        values = [f"{name} {row[name]:g}" for name in ("scaling", "density") if row[name] != 1]
        name = ", ".join([row["method"], *values])
        found.setdefault(name, []).append((row["alpha"], _read_figure(row, MAIN_MEASURE[format]), row["chosen"]))
    return found


def _find_figures(rows: Sequence[dict[str, Any]], format: Format) -> dict[str, Figure]:
    return {row["name"]: _read_figure(row, MAIN_MEASURE[format]) for row in rows}


def _read_figure(row: dict[str, Any], name: str) -> Figure:
    value = row[name]
    if value is None:
        return Figure(None, state="undefined", reason=row["failure"] or "all answers alike")
    return Figure(value, row[f"{name}_low"], row[f"{name}_high"])


def _describe(row: dict[str, Any]) -> dict[str, Any]:
    figures = {measure: _read_figure(row, measure) for measure in MAIN_MEASURE.values()}
    differences = {measure: _write_difference(row, measure) for measure in MAIN_MEASURE.values()}
    return {
        **{"name": row["name"], "figures": figures, "differences": differences},
        **{"objective": row["objective"], "unparsable": row["unparsable"], "failure": row["failure"]},
    }


def _write_difference(row: dict[str, Any], measure: str) -> str:
    value, low, high = (row[f"{measure}_difference{end}"] for end in ("", "_low", "_high"))
    if value is None:
        return UNDEFINED
    ends = "" if low is None else f" ({format_difference(low, measure)} to {format_difference(high, measure)})"
    return format_difference(value, measure) + ends.replace(" points", "")
