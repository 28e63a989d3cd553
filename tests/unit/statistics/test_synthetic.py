"""The judges of the gate's simulation are as good as they are said to be: otherwise it measures nothing."""

import polars as pl
import pytest

from benchmarks.synthetic import compute_correlation, draw_judges, find_latent
from judgeforge.statistics import MEASURES, build_columns, build_judged_items, compute


@pytest.mark.parametrize(
    ("format", "measure", "champion", "worse"), [("direct", "pearson", 0.6, 0.5), ("pairwise", "accuracy", 0.75, 0.65)]
)
def test_drawn_judges_have_the_quality_that_was_asked_for(
    format: str, measure: str, champion: float, worse: float
) -> None:
    judges = draw_judges(format, champion, {"worse": worse}, prompts=5000, repetitions=[0], seed=1)
    for table, quality in ((judges.champion, champion), (judges.challengers["worse"], worse)):
        judged = build_judged_items(table)
        assert compute(MEASURES[format][measure], build_columns(judged)) == pytest.approx(quality, abs=0.015)
        assert judged["prompt_id"].n_unique() == 5000


def test_the_judges_judge_the_same_items_and_err_alike() -> None:
    judges = draw_judges("direct", 0.6, {"equal": 0.6}, prompts=2000, repetitions=[0, 1], seed=1)
    one, other = judges.champion, judges.challengers["equal"]
    facts = ["benchmark", "item_id", "prompt_id", "gold_score"]
    assert one.select(facts).equals(other.select(facts))
    assert one["benchmark"].unique().sort().to_list() == ["0", "1"]
    errors = pl.DataFrame({"one": one["score"] - one["gold_score"], "other": other["score"] - other["gold_score"]})
    assert errors.select(pl.corr("one", "other")).item() > 0.4
    again = draw_judges("direct", 0.6, {"equal": 0.6}, prompts=2000, repetitions=[0, 1], seed=1)
    assert again.champion.equals(one)
    assert not draw_judges("direct", 0.6, {}, prompts=2000, repetitions=[0, 1], seed=2).champion.equals(one)


def test_the_true_correlation_is_computed_from_the_latent_one() -> None:
    assert compute_correlation(0.0) == pytest.approx(0, abs=1e-6)
    assert compute_correlation(0.5) < 0.5 < compute_correlation(0.6)  # cutting into five scores loses some
    assert compute_correlation(find_latent(0.55)) == pytest.approx(0.55, abs=1e-5)
