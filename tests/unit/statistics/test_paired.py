import numpy as np
import polars as pl
import pytest

from judgeforge.errors import InputError
from judgeforge.statistics import JUDGED_SCHEMA, Interval, compute_difference
from judgeforge.statistics.inference import compute_mcnemar, compute_power_table, correct_holm
from judgeforge.statistics.measure import Mean, Pearson
from judgeforge.statistics.paired import permutation_test

OPTIONS = {"resamples": 300, "confidence": 0.95, "seed": 1}


def build_table(judge: str, choices: list[str | None], contaminated: set[int] = frozenset()) -> pl.DataFrame:
    empty = dict.fromkeys(JUDGED_SCHEMA) | {"mode": "clean"}
    rows = [
        empty
        | {"judge": judge, "benchmark": "pairs", "format": "pairwise", "gold_choice": "A"}
        | {"choice": choice, "choice_given": choice, "judged_given": True, "judged_swapped": False}
        | {"item_id": f"i{index:03}", "prompt_id": f"p{index // 2}", "contaminated": index in contaminated}
        for index, choice in enumerate(choices)
    ]
    return pl.DataFrame(rows, schema=JUDGED_SCHEMA)


def test_the_difference_is_of_the_same_items_in_any_order() -> None:
    first = build_table("one", ["A", "A", "A", "B"])
    second = build_table("two", ["A", "B", None, "B"]).reverse()
    assert compute_difference(first, second, "accuracy", **OPTIONS).value == pytest.approx(0.5)


def test_identical_verdicts_differ_by_exactly_nothing() -> None:
    choices = ["A", "B", "A", None, "B", "A"]
    found = compute_difference(build_table("one", choices), build_table("two", choices), "accuracy", **OPTIONS)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_pairing_is_narrower_than_two_separate_intervals() -> None:
    choices = np.where(np.random.default_rng(1).random(200) < 0.6, "A", "B")
    better = choices.copy()
    better[np.flatnonzero(choices == "B")[:10]] = "A"
    found = compute_difference(
        build_table("one", list(better)), build_table("two", list(choices)), "accuracy", **OPTIONS
    )
    assert found.value == pytest.approx(0.05)
    # Unpaired, the standard error alone would be about sqrt(2 * 0.24 / 200) = 0.049.
    assert 0 < found.low < found.high < 0.1


def test_items_contaminated_for_either_are_left_out() -> None:
    first = build_table("one", ["A", "A", "B", "A"], contaminated={0})
    second = build_table("two", ["B", "B", "A", "A"], contaminated={2})
    assert compute_difference(first, second, "accuracy", **OPTIONS).value == pytest.approx(0.5)


def test_nothing_left_means_no_figure() -> None:
    table = build_table("one", ["A", "B"], contaminated={0, 1})
    assert compute_difference(table, table, "accuracy", **OPTIONS).value is None


@pytest.mark.parametrize(
    "other",
    [build_table("two", ["A"]), build_table("two", ["A", "B"]).with_columns(gold_choice=pl.lit("B"))],
    ids=["other items", "other gold"],
)
def test_other_items_or_gold_verdicts_are_refused(other: pl.DataFrame) -> None:
    with pytest.raises(InputError, match="one and two judged different items"):
        compute_difference(build_table("one", ["A", "B"]), other, "accuracy", **OPTIONS)


def test_identical_judges_have_p_one_and_clearly_different_ones_a_small_p() -> None:
    generator = np.random.default_rng(2)
    gold = generator.integers(1, 6, 120).astype(float)
    noise = generator.integers(1, 6, 120).astype(float)
    clusters = np.arange(120) // 3
    for measure in (Mean("score"), Pearson("gold", "score")):
        equal = [{"gold": gold, "score": noise}, {"gold": gold, "score": noise.copy()}]
        assert permutation_test(measure, equal, clusters, resamples=500, seed=1) == 1.0
    different = [{"gold": gold, "score": gold}, {"gold": gold, "score": noise}]
    assert permutation_test(Pearson("gold", "score"), different, clusters, resamples=999, seed=1) == 1 / 1000


def test_the_permutation_of_few_clusters_has_the_p_that_counting_gives() -> None:
    """Three prompts, the first judge right and the second wrong on all: 2 of the 8 arrangements are as extreme."""
    sides = [{"x": np.ones(6)}, {"x": np.zeros(6)}]
    found = permutation_test(Mean("x"), sides, np.arange(6) // 2, resamples=20_000, seed=3)
    assert found == pytest.approx(2 / 8, abs=0.01)


def test_the_permutation_holds_its_level_where_mcnemar_does_not() -> None:
    """Two judges that do not differ, ten items a prompt that stand and fall together."""
    generator = np.random.default_rng(4)
    clusters = np.repeat(np.arange(30), 10)
    rejected = {"permutation": 0, "mcnemar": 0}
    for trial in range(200):
        sides = [{"x": np.repeat(generator.integers(0, 2, 30), 10).astype(float)} for _ in range(2)]
        rejected["permutation"] += permutation_test(Mean("x"), sides, clusters, resamples=199, seed=trial) <= 0.05
        rejected["mcnemar"] += compute_mcnemar(sides[0]["x"], sides[1]["x"]).p <= 0.05
    assert rejected["permutation"] <= 20 < 60 < rejected["mcnemar"]


def test_mcnemar_of_a_case_worked_by_hand() -> None:
    # 6 items for the first alone, 1 for the second: p = 2 (C(7,0) + C(7,1)) / 2^7 = 16 / 128
    first = np.array([1.0] * 6 + [0] + [1] * 3 + [np.nan])
    second = np.array([0.0] * 6 + [1] + [1] * 3 + [1])
    found = compute_mcnemar(first, second)
    assert (found.first_only, found.second_only, found.p) == (6, 1, pytest.approx(0.125))
    assert compute_mcnemar(first, first).p == 1.0


def test_holm_of_a_case_worked_by_hand() -> None:
    # sorted .01 .02 .03 .04 times 4 3 2 1, never falling
    assert correct_holm([0.04, 0.01, None, 0.03, 0.02]) == pytest.approx([0.06, 0.04, None, 0.06, 0.06])
    assert correct_holm([]) == [] and correct_holm([None]) == [None]


def test_the_power_table_is_that_of_a_normal_difference() -> None:
    # A standard error of 0.05 at 100 prompts: a deviation of 0.5; (1.960 + 0.842)^2 0.25 / 0.1^2 = 196.2
    interval = Interval(0.1, 0.1 - 1.959964 * 0.05, 0.1 + 1.959964 * 0.05)
    assert compute_power_table(interval, 100, [0.1, 0.05], confidence=0.95) == {0.1: 197, 0.05: 785}
    assert compute_power_table(Interval(0, 0, 0), 100, [0.1], confidence=0.95) is None


def test_judges_of_different_modes_are_not_compared() -> None:
    other = build_table("two", ["A", "B"]).with_columns(mode=pl.lit("paper"))
    with pytest.raises(InputError, match="one and two were judged in different modes"):
        compute_difference(build_table("one", ["A", "B"]), other, "accuracy", **OPTIONS)
