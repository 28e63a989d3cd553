"""Agreement of graders, runs and triples with themselves, on cases worked by hand."""

from itertools import product

import polars as pl
import pytest

from judgeforge.statistics.reliability import compute_ceiling, compute_run_alpha, compute_transitivity, fits_ranking


def pairs(*rows: tuple[str, str, str, str | None, str]) -> pl.DataFrame:
    names = ("prompt_id", "response_a", "response_b", "choice", "gold_choice")
    return pl.DataFrame(list(rows), schema=dict.fromkeys(names, pl.String), orient="row")


def test_thirteen_of_the_27_outcomes_of_three_pairs_fit_a_ranking() -> None:
    assert sum(fits_ranking(*outcome) for outcome in product((-1, 0, 1), repeat=3)) == 13
    assert sum(fits_ranking(*outcome) for outcome in product((-1, 1), repeat=3)) == 6


def test_a_circle_is_found_whatever_the_order_of_the_pairs() -> None:
    circle = pairs(("p", "x", "y", "A", "A"), ("p", "z", "y", "B", "A"), ("p", "z", "x", "A", "A"))
    assert compute_transitivity(circle) == {"value": 0.0, "triples": 1}
    ranking = pairs(("p", "x", "y", "A", "A"), ("p", "z", "y", "B", "A"), ("p", "z", "x", "B", "A"))
    assert compute_transitivity(ranking) == {"value": 1.0, "triples": 1}
    missing = pairs(("p", "x", "y", "A", "A"), ("p", "z", "y", None, "A"), ("q", "z", "x", "B", "A"))
    assert compute_transitivity(missing) is None


def test_the_ceiling_of_pairs_is_how_often_two_people_agree_on_the_same_pair() -> None:
    found = compute_ceiling(
        pairs(
            ("p", "x", "y", None, "A"),
            ("p", "y", "x", None, "B"),
            ("p", "x", "y", None, "tie"),
            ("q", "x", "y", None, "A"),
        )
    )
    assert found == {"measure": "agreement", "value": pytest.approx(1 / 3), "items": 3}
    assert compute_ceiling(pairs(("p", "x", "y", None, "A"))) is None


def grades(*graders: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"graders": list(graders), "gold_choice": [None] * len(graders)})


def test_the_ceiling_of_scores_is_each_grader_against_the_mean_of_the_others() -> None:
    assert compute_ceiling(grades([1, 1], [2, 2], [5, 5]))["value"] == pytest.approx(1)
    # Graders (1 2 3), (1 2 3), (3 2 1): each of the first two against a constant, the third against its reverse.
    assert compute_ceiling(grades([1, 1, 3], [2, 2, 2], [3, 3, 1])) == {
        "measure": "pearson",
        "value": pytest.approx(-1.0),
        "graders": 3,
    }
    assert compute_ceiling(grades([1], [2])) is None


def runs(format: str, *samples: list) -> pl.DataFrame:
    rows = [
        {"item_id": f"i{n}", "order": "", "sample": k, "format": format, "score": None, "choice": None}
        | ({"score": value} if format == "direct" else {"choice": value})
        for k, values in enumerate(samples)
        for n, value in enumerate(values)
    ]
    return pl.DataFrame(rows, schema_overrides={"score": pl.Int64, "choice": pl.String})


def test_alpha_of_runs_is_one_for_equal_runs_and_falls_with_their_disagreement() -> None:
    assert compute_run_alpha(runs("direct", [1, 3, 5], [1, 3, 5])) == pytest.approx(1)
    near = compute_run_alpha(runs("direct", [1, 3, 5, 2], [2, 3, 5, 2]))
    far = compute_run_alpha(runs("direct", [1, 3, 5, 2], [5, 3, 5, 2]))
    assert far < near < 1
    # Nominal, coincidences AA 2, AB 2 (one unit), BB 4 of 8 values, 3 A and 5 B: 1 - (2 / 8) / (30 / 56) = 8 / 15
    assert compute_run_alpha(runs("pairwise", ["A", "A", "B", "B"], ["A", "B", "B", "B"])) == pytest.approx(8 / 15)
    assert compute_run_alpha(runs("pairwise", ["A", None], ["A", "B"])) is None
    assert compute_run_alpha(runs("direct", [1, 2])) is None
