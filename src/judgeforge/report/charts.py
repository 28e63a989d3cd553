"""Geometry of the plots. The template draws them as SVG; positions are percentages, so that they fit any width."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judgeforge.grading.records import Format
from judgeforge.report.figures import Figure
from judgeforge.report.numbers import format_cell, format_difference
from judgeforge.statistics import CHANCE, MAIN_MEASURE

_SMALLEST = 1e-300
_TICKS_ABOUT = 5
_MOST_TICKS = 7


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Args:
        low: value at 0 %.
        high: value at 100 %.
        step: between ticks.
    """

    low: float
    high: float
    step: float

    def place(self, value: float) -> float:
        """Return where ``value`` lies, in percent, within the axis."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 2)

    @property
    def ticks(self) -> list[float]:
        """Multiples of ``step`` within the axis."""
        first, last = math.ceil(self.low / self.step - 1e-9), math.floor(self.high / self.step + 1e-9)
        return [round(number * self.step, 10) for number in range(first, last + 1)]


def build_measure_axis(format: Format, figures: Sequence[Figure]) -> Axis:
    """Build the axis of a main measure: shares from 0 to 1, correlations from -0.2 or lower to 1."""
    if format == "pairwise":
        return Axis(0.0, 1.0, 0.25)
    ends = [end for figure in figures for end in (figure.value, figure.low) if end is not None]
    return Axis(min(-0.2, math.floor(min(ends, default=0.0) * 5) / 5), 1.0, 0.2)


def build_dots(format: Format, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Lay out a plot of dots and intervals, a row a judge.

    Args:
        format: of the benchmark.
        figures: judge to its main measure.
    """
    measure = MAIN_MEASURE[format]
    axis = build_measure_axis(format, list(figures.values()))
    texts = {judge: format_cell(figure, measure) for judge, figure in figures.items()}
    return lay_out(axis, figures, texts, CHANCE[format], lambda tick: format_tick(tick, format))


def lay_out(
    axis: Axis,
    figures: Mapping[str, Figure],
    texts: Mapping[str, str],
    middle: float,
    write_tick: Callable[[float], str],
) -> dict[str, Any]:
    """Lay out rows of dots and intervals.

    Args:
        axis: of all rows.
        figures: row to figure.
        texts: row to what is written behind it.
        middle: where the dashed line stands.
        write_tick: a tick's text.

    Returns:
        ``rows``, ``ticks``, ``chance`` (the place of the dashed line) and ``longest``, the characters of a row's name.
    """
    rows = []
    for name, figure in figures.items():
        ends = {"value": figure.value, "low": figure.low, "high": figure.high}
        places = {key: None if end is None else axis.place(end) for key, end in ends.items()}
        rows.append({"judge": name, "text": texts[name], **places})
    # Where ticks are many, every other one is written, lest they run into one another.
    every = 2 if len(axis.ticks) > _MOST_TICKS else 1
    ticks = [
        {"place": axis.place(tick), "text": "" if round(tick / axis.step) % every else write_tick(tick)}
        for tick in axis.ticks
    ]
    longest = max(map(len, figures), default=0)
    return {"rows": rows, "ticks": ticks, "chance": axis.place(middle), "longest": longest}


def build_curve(points: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Lay out one training curve: the loss as a line, the validation loss as dots; None where no loss was logged."""
    loss = [(point["step"], point["loss"]) for point in points if "loss" in point]
    validation = [(point["step"], point["validation_loss"]) for point in points if "validation_loss" in point]
    if not loss:
        return None
    across = _build_round_axis(max(step for step, _ in loss + validation), roomy=False)
    up = _build_round_axis(max(value for _, value in loss + validation), roomy=True)
    return {
        "line": " ".join(f"{across.place(step)},{100 - up.place(value):.2f}" for step, value in loss),
        "dots": [{"x": across.place(step), "y": round(100 - up.place(value), 2)} for step, value in validation],
        "x_ticks": [{"place": across.place(tick), "text": f"{tick:g}"} for tick in across.ticks],
        "y_ticks": [{"place": round(100 - up.place(tick), 2), "text": f"{tick:g}"} for tick in up.ticks],
        "first": loss[0][1],
        "last": loss[-1][1],
        "last_validation": validation[-1][1] if validation else None,
        "steps": max(step for step, _ in loss + validation),
    }


def build_heatmap(confusion: Sequence[Sequence[int]]) -> list[list[dict[str, Any]]]:
    """Shade each cell by its share of the gold score's items, so that rare gold scores can be read as well.

    Args:
        confusion: gold score by given score, a last column for unparsable.
    """
    rows = []
    for gold, counts in enumerate(confusion):
        total = sum(counts)
        rows.append(
            [
                {"count": count, "share": round(count / total, 3) if total else 0.0, "exact": given == gold}
                for given, count in enumerate(counts)
            ]
        )
    return rows


def build_calibration(confusion: Sequence[Sequence[int]], lowest: int = 1) -> list[dict[str, Any]]:
    """Lay out what a judge's scores are worth: the mean gold score of the items that it gave each score.

    Args:
        confusion: gold score by given score, a last column for unparsable.
        lowest: score of the scale.

    Returns:
        of each score that was given: ``given``, ``gold`` (the mean), ``count`` and ``share`` of the items.
    """
    total = sum(map(sum, confusion)) or 1
    points = []
    for place in range(len(confusion)):
        counts = [row[place] for row in confusion]
        count = sum(counts)
        if count:
            mean = sum(gold * each for gold, each in enumerate(counts, start=lowest)) / count
            share = round(count / total, 3)
            points.append({"given": lowest + place, "gold": round(mean, 3), "count": count, "share": share})
    return points


def build_bias(figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Lay out a leaning, from -50 to 50 points, as ``build_dots`` does a measure."""
    texts = {
        judge: format_cell(figure, "position_bias") if figure.value is None else write_points(figure.value)
        for judge, figure in figures.items()
    }
    return lay_out(Axis(-0.5, 0.5, 0.25), figures, texts, 0.0, write_points)


def build_forest(format: Format, differences: Mapping[str, Figure]) -> dict[str, Any]:
    """Lay out the subject's main measure less every other judge's, zero in the middle.

    Args:
        format: of the benchmark.
        differences: judge to difference.
    """
    measure = MAIN_MEASURE[format]
    ends = [abs(end) for each in differences.values() for end in (each.value, each.low, each.high) if end is not None]
    step = next(each for each in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0) if 4 * each >= max(ends, default=0.0))
    widest = step * max(1, math.ceil(max(ends, default=0.0) / step - 1e-9))
    texts = {
        judge: format_cell(each, measure)
        if each.value is None
        else format_difference(each.value, measure).removesuffix(" points")
        for judge, each in differences.items()
    }
    write = write_points if format == "pairwise" else (lambda tick: f"{tick:+g}".replace("-", "−") if tick else "0")
    return lay_out(Axis(-widest, widest, step), differences, texts, 0.0, write)


def write_points(share: float) -> str:
    """Write a difference of shares in whole points, with its sign."""
    return f"{100 * share:+z.0f}".replace("-", "−") if round(100 * share) else "0"


def format_tick(value: float, format: Format) -> str:
    """Write a tick of a main measure's axis: whole percent for shares."""
    return f"{100 * value:.0f}%" if format == "pairwise" else f"{value:g}".replace("-", "−")


def _build_round_axis(highest: float, *, roomy: bool) -> Axis:
    """Build an axis from 0 to ``highest``, or to the tick above it, with ticks 1, 2 or 5 times a power of ten apart."""
    # What lies below the smallest normal number cannot be divided into ticks.
    highest = highest if highest >= _SMALLEST else 1.0
    rough = highest / _TICKS_ABOUT
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return Axis(0.0, step * math.ceil(highest / step - 1e-9) if roomy else highest, step)
