import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import Environment, PackageLoader

from judgeforge.grading.records import Scale
from judgeforge.report.charts import (
    Axis,
    build_calibration,
    build_curve,
    build_dots,
    build_forest,
    build_heatmap,
    build_measure_axis,
)
from judgeforge.report.figures import Figure
from judgeforge.report.reliability import build_reliability


def test_places_are_percent_of_the_axis_and_stay_on_it() -> None:
    axis = Axis(-0.2, 1.0, 0.2)
    assert [axis.place(value) for value in (-0.2, 0.4, 1.0, -3, 3)] == [0, 50, 100, 0, 100]
    assert axis.ticks == pytest.approx([-0.2, 0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_the_correlation_axis_widens_for_a_judge_that_is_worse_than_chance() -> None:
    assert build_measure_axis("direct", [Figure(0.5, 0.4, 0.6)]).low == -0.2
    assert build_measure_axis("direct", [Figure(-0.3, -0.45, 0.1)]).low == pytest.approx(-0.6)


def test_an_undefined_figure_has_no_dot() -> None:
    undefined = Figure(None, state="undefined")
    plot = build_dots("pairwise", {"base": undefined, "merged": Figure(0.75, 0.5, 1.0)})
    assert plot["chance"] == 50
    assert plot["rows"][0] == {"judge": "base", "text": "undefined", "value": None, "low": None, "high": None}
    assert plot["rows"][1] == {"judge": "merged", "text": "75.0%", "value": 75, "low": 50, "high": 100}


def test_a_curve_runs_from_left_to_right_and_highest_on_top() -> None:
    plot = build_curve([{"step": 5, "loss": 2.0}, {"step": 10, "loss": 1.0, "validation_loss": 0.5}])
    assert plot is not None
    assert plot["line"] == "50.0,0.00 100.0,50.00"
    assert plot["dots"] == [{"x": 100, "y": 75}]
    assert (plot["steps"], plot["last_validation"]) == (10, 0.5)


def test_a_training_too_short_for_a_loss_has_no_curve() -> None:
    assert build_curve([{"step": 1, "validation_loss": 0.5}]) is None
    assert build_curve([]) is None


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=20))
@example([5e-324])
def test_every_loss_lies_within_the_plot(losses) -> None:
    plot = build_curve([{"step": step, "loss": loss} for step, loss in enumerate(losses, start=1)])
    assert plot is not None
    places = [float(part) for point in plot["line"].split() for part in point.split(",")]
    assert all(0 <= place <= 100 for place in places)
    assert 2 <= len(plot["y_ticks"]) <= 12


def test_heatmap_shades_by_row_and_frames_exact_agreement() -> None:
    rows = build_heatmap([[1, 0, 3, 0, 0, 0], *[[0] * 6] * 3, [0, 0, 0, 0, 2, 2]])
    assert [cell["share"] for cell in rows[0]] == [0.25, 0, 0.75, 0, 0, 0]
    assert [[cell["exact"] for cell in row].index(True) for row in rows] == [0, 1, 2, 3, 4]
    assert not any(cell["share"] for cell in rows[1])
    assert rows[4][5] == {"count": 2, "share": 0.5, "exact": False}


def test_the_forest_is_even_about_zero_and_holds_every_interval() -> None:
    wide = Figure(0.3, -0.1, 0.62)
    plot = build_forest("pairwise", {"base": wide, "longer": Figure(None, state="undefined")})
    assert plot["chance"] == 50
    row, undefined = plot["rows"]
    assert 0 < row["low"] < 50 < row["value"] < row["high"] < 100
    assert row["text"] == "+30.0" and undefined["text"] == "undefined"
    assert plot["ticks"][0]["text"] == "−80" and plot["ticks"][-1]["text"] == "+80"


def test_where_ticks_are_many_every_other_one_is_written() -> None:
    plot = build_dots("direct", {"base": Figure(-0.3, -0.45, 0.1)})
    texts = [tick["text"] for tick in plot["ticks"]]
    assert "0" in texts and "" in texts and "0.8" in texts and "0.2" not in texts


def test_reliability_has_a_row_a_benchmark_and_marks_of_its_own(large) -> None:
    plot = build_reliability(large, large.subject)
    kinds = {row["title"]: [mark["kind"] for mark in row["marks"]] for row in plot["rows"]}
    assert kinds["Vicuna Bench"] == ["runs", "graders"]
    assert kinds["HHH Alignment"][:2] == ["orders", "runs"]
    assert len(kinds) == len(large.names)


def test_nothing_is_drawn_of_a_judge_whose_steadiness_is_unknown(sources) -> None:
    alone = replace(sources.subject, metrics={"embedded_direct": sources.subject.metrics["embedded_direct"]})
    assert build_reliability(replace(sources, evaluations=(alone,)), alone) is None


def test_maps_of_every_scale_have_a_row_a_score() -> None:
    plots = Environment(loader=PackageLoader("judgeforge.report"), autoescape=True).get_template("plots.html.jinja")
    confusion = [[1, 0, 1], [0, 3, 0]]
    drawn = plots.module.heatmap(build_heatmap(confusion), 0, "x")
    assert re.findall(r">(0|1|none)</text>", drawn)[-3:] == ["0", "1", "none"]
    assert 'viewBox="0 0 150 116"' in drawn and drawn.count("<rect") == 6 + 2
    worth = plots.module.calibration(build_calibration(confusion, 0), Scale(0, 1), "x")
    # On the dashed line: given 0 are of gold 0, given 1 of gold 1.
    assert re.findall(r'cx="(\d+)" cy="([\d.]+)"', worth) == [("54", "61.0"), ("88", "27.0")]
    assert 'x1="54" y1="61" x2="88" y2="27"' in worth
