"""Agreement of graders, runs and triples with themselves, on cases worked by hand."""

from itertools import product

import numpy as np
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
    assert compute_transitivity(circle) == {"value": 0.0, "triples": 1, "tied": 0.0}
    ranking = pairs(("p", "x", "y", "A", "A"), ("p", "z", "y", "B", "A"), ("p", "z", "x", "B", "A"))
    assert compute_transitivity(ranking) == {"value": 1.0, "triples": 1, "tied": 0.0}
    missing = pairs(("p", "x", "y", "A", "A"), ("p", "z", "y", None, "A"), ("q", "z", "x", "B", "A"))
    assert compute_transitivity(missing) is None


def test_a_judge_that_always_says_a_is_transitive_by_ties_alone() -> None:
    ties = pairs(("p", "x", "y", "tie", "A"), ("p", "z", "y", "tie", "A"), ("p", "z", "x", "tie", "A"))
    assert compute_transitivity(ties) == {"value": 1.0, "triples": 1, "tied": 1.0}


def test_people_agree_on_the_same_pair_whatever_its_order_and_nobody_agrees_more_with_them() -> None:
    found = compute_ceiling(
        pairs(
            ("p", "x", "y", None, "A"),
            ("p", "y", "x", None, "B"),
            ("p", "x", "y", None, "tie"),
            ("q", "x", "y", None, "A"),
        )
    )
    assert found == {"measure": "accuracy", "value": 1.0, "agreement": pytest.approx(1 / 3), "comparisons": 3}
    assert compute_ceiling(pairs(("p", "x", "y", None, "A"))) is None
    # Two of ten comparisons differ: 0.8 = p * p + (1 - p) * (1 - p) for p = 0.887.
    labels = "A" * 8 + "B" * 2
    split = pairs(*(("p" + str(n), "x", "y", None, label) for n, label in enumerate("A" * 10))).vstack(
        pairs(*(("p" + str(n), "x", "y", None, label) for n, label in enumerate(labels)))
    )
    found = compute_ceiling(split)
    assert found["agreement"] == 0.8
    assert found["value"] ** 2 + (1 - found["value"]) ** 2 == pytest.approx(0.8)


def test_simulated_people_leave_a_judge_no_more_than_the_ceiling() -> None:
    """Each pair has a favourite, which seven of ten people name: nothing is right more often than naming it."""
    generator = np.random.default_rng(1)
    rows = [
        (f"p{n}", "x", "y", "A", label)
        for n in range(4000)
        for label in np.where(generator.random(2) < 0.7, "A", "B").tolist()
    ]
    assert compute_ceiling(pairs(*rows))["value"] == pytest.approx(0.7, abs=0.02)


def grades(*graders: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"graders": list(graders), "gold_choice": [None] * len(graders)})


def test_graders_agree_each_with_the_mean_of_the_others() -> None:
    assert compute_ceiling(grades([1, 1], [2, 2], [5, 5])) == {
        "measure": "pearson",
        "value": pytest.approx(1),
        "agreement": pytest.approx(1),
        "graders": 2,
        "items": 3,
    }
    # Graders (1 2 3), (1 2 3), (3 2 1): each of the first two against a constant, the third against its reverse.
    opposed = compute_ceiling(grades([1, 1, 3], [2, 2, 2], [3, 3, 1]))
    assert (opposed["agreement"], opposed["value"]) == (pytest.approx(-1.0), None)
    assert compute_ceiling(grades([1], [2])) is None


def test_the_ceiling_is_what_the_true_quality_reaches_against_noisy_graders() -> None:
    generator = np.random.default_rng(1)
    quality = generator.normal(size=(20_000, 1))
    noisy = quality + generator.normal(size=(20_000, 3))
    reached = np.corrcoef(quality[:, 0], noisy.mean(axis=1))[0, 1]
    assert compute_ceiling(grades(*noisy.tolist()))["value"] == pytest.approx(reached, abs=0.01)


def test_items_that_more_people_graded_than_most_do_not_take_the_ceiling_over() -> None:
    found = compute_ceiling(grades(*([n % 5, n % 5] for n in range(99)), [1, 5, 3]))
    assert (found["agreement"], found["graders"], found["items"]) == (pytest.approx(1), 2, 99)


def runs(format: str, *samples: list) -> pl.DataFrame:
    rows = [
        {
            "item_id": f"i{n}",
            "order": "",
            "sample": k,
            "format": format,
            "score": None,
            "choice": None,
            "lowest": 1,
            "highest": 5,
        }
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
