"""The searched merges on the page: only where there was a search, with intervals and the choice."""

from dataclasses import replace

import pytest
from small_evaluation import load, write_inputs

from judgeforge.errors import InputError
from judgeforge.files import write_text
from judgeforge.report.alphas import build_alpha_curves
from judgeforge.report.comparison import compute_differences
from judgeforge.report.figures import Figure
from judgeforge.report.page import render_page
from judgeforge.report.searching import build_search, load_search

HEAD = "name,method,alpha,scaling,density,failure,chosen,pearson,pearson_low,pearson_high,pearson_difference,"
HEAD += "pearson_difference_low,pearson_difference_high,accuracy,accuracy_low,accuracy_high,accuracy_difference,"
HEAD += "accuracy_difference_low,accuracy_difference_high,objective,unparsable\n"
ROWS = (
    '"linear, alpha 0.5",linear,0.5,1.0,1.0,,true,0.41,0.2,0.6,0,0,0,0.7,0.6,0.8,0,0,0,0.555,1\n'
    '"linear, alpha 0.3",linear,0.3,1.0,1.0,,false,,,,,,,0.75,0.65,0.85,0.05,-0.01,0.11,,12\n'
    '"ties, alpha 0.3",ties,0.3,1.0,0.5,it broke,false,,,,,,,,,,,,,,\n'
)


def write_search(folder, rows=ROWS, head=HEAD):
    path = folder / "candidates.csv"
    write_text(path, head + rows)
    return path


def test_without_a_search_there_is_nothing(tmp_path):
    assert load_search(tmp_path / "candidates.csv") is None and build_search(None) is None
    assert load_search(write_search(tmp_path, "", "name\n")) is None


def test_candidates_are_laid_out_by_method_and_weight(tmp_path):
    found = build_search(load_search(write_search(tmp_path)))
    assert found["chosen"] == found["standing"] == "linear, alpha 0.5"
    assert [row["name"] for row in found["rows"]] == ["linear, alpha 0.3", "linear, alpha 0.5", "ties, alpha 0.3"]
    undefined, standing, broken = found["rows"]
    assert undefined["differences"] == {"pearson": "undefined", "accuracy": "+5.0 points (−1.0 to +11.0)"}
    assert standing["differences"]["pearson"] == "+0.00 (+0.00 to +0.00)"
    assert broken["failure"] == "it broke"
    assert [plot["format"] for plot in found["plots"]] == ["direct", "pairwise"]
    assert [row["value"] for row in found["plots"][1]["plot"]["rows"]] == [75.0, 70.0, None]


def test_the_curve_over_alpha_goes_through_the_mean_of_seeds():
    points = [(0.25, Figure(0.5, 0.4, 0.6), False), (0.25, Figure(0.7, 0.6, 0.8), False)]
    points.append((1.0, Figure(0.8, 0.7, 0.8), True))
    alone = [(0.5, Figure(0.6), False)]
    (curve,) = build_alpha_curves("pairwise", {"dare_ties": points, "slerp": alone})
    # The axis goes from 0.4 to 0.8: a mean of 0.6 lies in its middle.
    assert curve["line"] == "25.0,50.00 100.0,0.00"
    assert curve["dots"][-1] == {"x": 100.0, "chosen": True, "y": 0.0, "low": 25.0, "high": 0.0}
    assert [tick["text"] for tick in curve["y_ticks"]] == ["40%", "50%", "60%", "70%", "80%"]


def test_the_page_shows_them(tmp_path):
    write_inputs(tmp_path)
    sources = load(tmp_path)
    differences = compute_differences(sources)
    assert "Merges that were tried" not in render_page(sources, differences)
    page = render_page(replace(sources, search=load_search(write_search(tmp_path))), differences)
    assert "Merges that were tried" in page and 'href="#search"' in page
    assert "Chosen: <strong>linear, alpha 0.5</strong>, as it stood." in page
    assert "+5.0 points (−1.0 to +11.0)" in page and "it broke" in page
    assert 'aria-label="Accuracy of linear by alpha"' in page


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(HEAD.replace("density,", "") + ROWS, "is broken"), ("name\nx\n", "has no column accuracy")],
)
def test_a_broken_table_is_named(content, complaint, tmp_path):
    path = write_search(tmp_path, content, "")
    with pytest.raises(InputError, match=rf"candidates.csv {complaint}.*judgeforge search"):
        load_search(path)
