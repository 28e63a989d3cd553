import numpy as np
import polars as pl
import pytest

from judgeforge.errors import InputError
from judgeforge.statistics import JUDGED_SCHEMA, compute_difference

OPTIONS = {"resamples": 300, "confidence": 0.95, "seed": 1}


def build_table(judge: str, choices: list[str | None], contaminated: set[int] = frozenset()) -> pl.DataFrame:
    empty = dict.fromkeys(JUDGED_SCHEMA) | {"mode": "clean"}
    rows = [
        empty
        | {"judge": judge, "benchmark": "pairs", "format": "pairwise", "gold_choice": "A"}
        | {"choice": choice, "choice_given": choice, "judged_swapped": False}
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
