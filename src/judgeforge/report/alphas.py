"""The curve over alpha: how good merges are by the direct judge's weight, a plot a method and format."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from judgeforge.grading.records import Format
from judgeforge.report.charts import Axis, format_tick
from judgeforge.report.figures import Figure

_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)
_MOST_TICKS = 6


def build_alpha_curves(
    format: Format, series: Mapping[str, Sequence[tuple[float, Figure, bool]]]
) -> list[dict[str, Any]]:
    """Lay out a plot a series, all with the same axes.

    Args:
        format: of the validation set.
        series: name to points: alpha, the main measure, and whether this merge was chosen; points of equal alpha
            (seeds) stand above one another, and the line goes through their mean.

    Returns:
        of each series with two values of alpha or more: ``name``, ``line``, ``dots`` and the ticks of both axes.
    """
    shown = {name: points for name, points in series.items() if len({alpha for alpha, *_ in points}) > 1}
    up, across = _build_axis([figure for points in shown.values() for _, figure, _ in points]), Axis(0.0, 1.0, 0.25)
    return [
        {
            "name": name,
            "line": " ".join(f"{across.place(alpha)},{100 - up.place(mean):.2f}" for alpha, mean in _average(points)),
            "dots": [_lay_out(across, up, *point) for point in points if point[1].value is not None],
            "x_ticks": [{"place": across.place(tick), "text": f"{tick:g}"} for tick in across.ticks],
            "y_ticks": [
                {"place": round(100 - up.place(tick), 2), "text": format_tick(tick, format)} for tick in up.ticks
            ],
        }
        for name, points in shown.items()
    ]


def _average(points: Sequence[tuple[float, Figure, bool]]) -> list[tuple[float, float]]:
    found: dict[float, list[float]] = {}
    for alpha, figure, _ in points:
        if figure.value is not None:
            found.setdefault(alpha, []).append(figure.value)
    return [(alpha, sum(values) / len(values)) for alpha, values in sorted(found.items())]


def _lay_out(across: Axis, up: Axis, alpha: float, figure: Figure, chosen: bool) -> dict[str, Any]:
    ends = {"y": figure.value, "low": figure.low, "high": figure.high}
    places = {name: None if end is None else round(100 - up.place(end), 2) for name, end in ends.items()}
    return {"x": across.place(alpha), "chosen": chosen, **places}


def _build_axis(figures: Sequence[Figure]) -> Axis:
    """Build an axis from a tick below the lowest interval to one above the highest: the shape is what matters here."""
    ends = [end for each in figures for end in (each.value, each.low, each.high) if end is not None]
    lowest, highest = min(ends, default=0.0), max(ends, default=1.0)
    step = next((each for each in _STEPS if (highest - lowest) / each <= _MOST_TICKS), _STEPS[-1])
    low = math.floor(lowest / step + 1e-9) * step
    return Axis(low, max(math.ceil(highest / step - 1e-9) * step, low + step), step)
