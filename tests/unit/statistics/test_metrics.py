import json

import polars as pl
import pytest

from judgeforge.statistics.metrics import compute_metrics
from judgeforge.verdicts import SCHEMA

OPTIONS = {"resamples": 200, "confidence": 0.95, "seed": 1}


def build_table(rows: list[dict]) -> pl.DataFrame:
    defaults = {"judge": "merged", "group": "facts", "contaminated": False, "feedback": "", "raw_text": ""}
    defaults |= {"gold_score": None, "gold_choice": None, "score": None, "choice": None, "finish": "verdict"}
    defaults |= {"prompt_tokens": 1, "output_tokens": 1, "mode": "clean", "sample": 0, "graders": []}
    defaults |= {"expected_score": None, "lengths": [2, 3], "responses": ["x", "y"], "lowest": 1, "highest": 5}
    numbered = [{"item_id": f"i{index}", "prompt_id": f"p{index}", **row} for index, row in enumerate(rows)]
    return pl.DataFrame([defaults | row for row in numbered], schema=SCHEMA)


def direct(gold: int, score: int | None, **more) -> dict:
    fixed = {"benchmark": "grades", "format": "direct", "method": "direct", "order": ""}
    return fixed | {"gold_score": gold, "score": score, **more}


def pairwise(gold: str, choice: str | None, **more) -> dict:
    """One order only, as if it were all that was asked."""
    fixed = {"benchmark": "pairs", "format": "pairwise", "method": "pairwise", "order": "given"}
    return fixed | {"gold_choice": gold, "choice": choice, **more}


def test_direct_counts_a_missing_score_as_the_middle() -> None:
    entry = compute_metrics(build_table([direct(1, 1), direct(2, 2), direct(4, None), direct(5, 5)]), **OPTIONS)[
        "grades"
    ]
    values = {name: metric["value"] for name, metric in entry["metrics"].items()}
    # Gold deviations (-2, -1, 1, 2), given 1, 2, 3, 5 with deviations (-1.75, -.75, .25, 2.25).
    assert values["pearson"] == pytest.approx((3.5 + 0.75 + 0.25 + 4.5) / (10 * 8.75) ** 0.5)
    assert values["spearman"] == pytest.approx(1)
    assert values["kendall"] == pytest.approx(1)
    assert values["mae"] == 0.25
    assert values["exact_agreement"] == 0.75
    assert values["pearson_parsed"] == pytest.approx(1)
    assert (entry["coverage"], entry["unparsable_rate"]) == (0.75, 0.25)


def test_a_missing_score_never_agrees_exactly_even_with_a_gold_of_the_middle() -> None:
    entry = compute_metrics(build_table([direct(3, None), direct(3, None)]), **OPTIONS)["grades"]
    assert entry["metrics"]["exact_agreement"]["value"] == 0
    assert entry["metrics"]["pearson"] == {"value": None, "low": None, "high": None}


def test_confusion_has_gold_rows_and_a_last_column_for_unparsable() -> None:
    entry = compute_metrics(build_table([direct(1, 5), direct(1, 5), direct(4, 2), direct(5, None)]), **OPTIONS)[
        "grades"
    ]
    assert entry["confusion"] == [
        [0, 0, 0, 0, 2, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 1],
    ]


def test_pairwise_counts_a_missing_choice_as_wrong_and_leaves_ties_out() -> None:
    rows = [pairwise("A", "A"), pairwise("B", "A"), pairwise("B", "B"), pairwise("A", None), pairwise("tie", "A")]
    entry = compute_metrics(build_table(rows), **OPTIONS)["pairs"]
    values = {name: metric["value"] for name, metric in entry["metrics"].items()}
    assert values.pop("accuracy_both_orders") is None and values.pop("swap_consistency") is None
    # With ties, five items: the tie was called A, and one verdict is missing. A, shown first, was chosen where it was
    # the better one, where it was not, and for the tie: 0, 1 and half a time too often, of the four verdicts.
    # Gold A A B A tie, verdicts A B B none A: 2 of 5 agree; by chance (3 2 + 1 2 + 1 0) / 25 = 8 / 25.
    expected = {
        "cohen_kappa": (2 / 5 - 8 / 25) / (1 - 8 / 25),
        "accuracy": 2 / 4,
        "accuracy_parsed": 2 / 3,
        "accuracy_with_ties": 2 / 5,
        "position_bias": 1.5 / 4,
        # B is the longer one: chosen 0 0 1 0 times, by people 0 1 1 and half a time.
        "length_bias": -1.5 / 4,
    }
    assert values == pytest.approx(expected)
    assert (entry["ties"], entry["items"], entry["unparsable_rate"]) == (1, 5, pytest.approx(0.2))


def test_contaminated_items_are_counted_and_left_out() -> None:
    rows = [pairwise("A", "A"), pairwise("A", "B", contaminated=True), pairwise("B", "B")]
    entry = compute_metrics(build_table(rows), **OPTIONS)["pairs"]
    assert (entry["contaminated"], entry["items"]) == (1, 2)
    assert entry["metrics"]["accuracy"]["value"] == 1


def test_a_wholly_contaminated_benchmark_has_no_figures() -> None:
    rows = [direct(1, 1, contaminated=True), direct(5, 5, contaminated=True)]
    entry = compute_metrics(build_table(rows), **OPTIONS)["grades"]
    assert (entry["items"], entry["contaminated"], entry["coverage"], entry["unparsable_rate"]) == (0, 2, None, None)
    assert {metric["value"] for metric in entry["metrics"].values()} == {None}
    assert (entry["groups"], sum(map(sum, entry["confusion"]))) == ({}, 0)


def test_groups_carry_the_main_metric_of_their_own_items() -> None:
    rows = [pairwise("A", "A", group="e-mail"), pairwise("B", "A", group="e-mail"), pairwise("B", "B", group="facts")]
    rows.append(pairwise("tie", "B", group="facts"))
    entry = compute_metrics(build_table(rows), **OPTIONS)["pairs"]
    assert entry["groups"] == {"e-mail": {"value": 0.5, "items": 2}, "facts": {"value": 1.0, "items": 1}}


def test_intervals_are_clustered_by_prompt() -> None:
    rows = [pairwise("A", "A" if index // 5 % 2 else "B", prompt_id=f"p{index // 5}") for index in range(60)]
    clustered = compute_metrics(build_table(rows), **OPTIONS)["pairs"]["metrics"]["accuracy"]
    alone = [row | {"prompt_id": f"q{index}"} for index, row in enumerate(rows)]
    naive = compute_metrics(build_table(alone), **OPTIONS)["pairs"]["metrics"]["accuracy"]
    assert clustered["high"] - clustered["low"] > 1.5 * (naive["high"] - naive["low"])


def test_benchmarks_keep_their_order_and_the_result_is_json_ready_and_repeatable() -> None:
    table = build_table([pairwise("A", "A"), pairwise("B", "A"), direct(1, 2), direct(5, 4), direct(3, 3)])
    metrics = compute_metrics(table, **OPTIONS)
    assert list(metrics) == ["pairs", "grades"]
    assert json.loads(json.dumps(metrics)) == metrics == compute_metrics(table, **OPTIONS)
    assert metrics["pairs"]["bootstrap"] == OPTIONS


def test_a_benchmark_is_barred_once_more_than_the_stated_share_was_trained_on() -> None:
    rows = [direct(1, 2) | {"contaminated": number < 2} for number in range(10)]
    for share, barred in ((0.1, True), (0.2, False), (1.0, False)):
        entry = compute_metrics(build_table(rows), **OPTIONS, max_contaminated_share=share)["grades"]
        assert entry["barred"] is barred


def sampled(row: dict, *values, order: str = "") -> list[dict]:
    """One item, answered several times."""
    name = "score" if row["format"] == "direct" else "choice"
    return [row | {name: value, "sample": n, "item_id": "i", "prompt_id": "p"} for n, value in enumerate(values)]


def read(rows: list[dict], benchmark: str) -> dict:
    entry = compute_metrics(build_table(rows), **OPTIONS)[benchmark]
    return {name: metric["value"] for name, metric in entry["metrics"].items()}


def test_an_unparsable_sample_counts_as_the_middle_beside_parsed_ones() -> None:
    rows = [
        row | {"item_id": f"i{gold}", "prompt_id": f"p{gold}"}
        for gold in (1, 2, 5)
        for row in sampled(direct(gold, None), gold, None, None)
    ]
    found = read(rows, "grades")
    # The means of (1 3 3), (2 3 3) and (5 3 3): 7/3, 8/3 and 11/3, which round to 2, 3 and 4.
    assert found["mae"] == pytest.approx((4 / 3 + 2 / 3 + 4 / 3) / 3)
    assert found["exact_agreement"] == 0
    assert found["pearson_parsed"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("choices", "credit"),
    [
        (("A", "A", None), 1),  # two of three
        (("A", None, None), 0),  # most of them unparsable: no verdict
        (("A", "B", None), 0.5),  # nobody has more than the other and the unparsable together
        (("A", None), 0),
        (("A", "A", "A", None, None), 1),
    ],
)
def test_an_unparsable_sample_is_a_vote_against_either_response(choices, credit) -> None:
    assert read(sampled(pairwise("A", None), *choices), "pairs")["accuracy"] == credit


def test_the_swapped_order_alone_is_scored_as_the_given_one_alone_is() -> None:
    given = read([pairwise("A", "A"), pairwise("B", "B"), pairwise("B", "A")], "pairs")
    swapped = read([pairwise(gold, choice, order="swapped") for gold, choice in ("AB", "BA", "BB")], "pairs")
    same = ("accuracy", "accuracy_parsed", "accuracy_with_ties", "accuracy_both_orders", "swap_consistency")
    assert {name: swapped[name] for name in same} == {name: given[name] for name in same}
    assert given["accuracy"] == pytest.approx(2 / 3)
    assert given["accuracy_both_orders"] is None


def test_a_tie_leans_to_neither_side() -> None:
    assert read([pairwise("A", "tie"), pairwise("B", "tie")], "pairs")["position_bias"] == 0
    split = [row for gold in "AB" for row in sampled(pairwise(gold, None) | {"group": gold}, "A", "B")]
    rows = [row | {"item_id": row["group"], "prompt_id": row["group"]} for row in split]
    assert read(rows, "pairs")["position_bias"] == 0


def test_halves_round_up_wherever_a_whole_score_is_wanted() -> None:
    rows = [
        row | {"item_id": f"i{gold}", "prompt_id": f"p{gold}"}
        for gold, first in ((3, 2), (4, 3))
        for row in sampled(direct(gold, None), first, first + 1)
    ]
    assert read(rows, "grades")["exact_agreement"] == 1
