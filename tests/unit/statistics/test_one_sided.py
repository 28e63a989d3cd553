import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from judgeforge.statistics import MEASURES
from judgeforge.statistics.bootstrap import bootstrap_difference
from judgeforge.statistics.measure import Mean, Pearson
from judgeforge.statistics.one_sided import FEWEST_CLUSTERS, assess

MEAN = Mean("x")
OPTIONS = {"alpha": 0.05, "resamples": 400, "seed": 3}


def test_the_interval_of_a_mean_is_students_where_that_is_wider_than_the_percentile_bootstraps() -> None:
    values = np.random.default_rng(1).exponential(size=25)
    found = assess(MEAN, [{"x": values}], np.arange(25), **OPTIONS)
    student = stats.t.interval(0.9, 24, loc=values.mean(), scale=stats.sem(values))
    plain = bootstrap_difference(MEAN, [{"x": values}], np.arange(25), resamples=400, confidence=0.9, seed=3)
    assert found.interval.value == pytest.approx(values.mean())
    assert (found.interval.low, found.interval.high) == pytest.approx(student)
    assert found.interval.low < plain.low and found.interval.high > plain.high
    assert (found.items, found.clusters) == (25, 25)


def test_the_bootstraps_level_is_widened_as_students_t_is() -> None:
    # Of 20 clusters: 1.729 * sqrt(20 / 19) = 1.774, of which the normal's tail is 0.0380. The sample is skewed, so that
    # the bootstrap's lower end lies below the jackknife's.
    values = -(np.random.default_rng(2).exponential(size=20) ** 2)
    found = assess(MEAN, [{"x": values}], np.arange(20), alpha=0.05, resamples=20_000, seed=3)
    again = bootstrap_difference(
        MEAN, [{"x": values}], np.arange(20), resamples=20_000, confidence=1 - 2 * 0.0380, seed=3
    )
    assert found.interval.low == pytest.approx(again.low, rel=1e-3)
    assert found.interval.low < stats.t.interval(0.9, 19, loc=values.mean(), scale=stats.sem(values))[0]


def test_equal_judges_differ_by_nothing_and_are_not_better() -> None:
    columns = {"gold": np.arange(40) % 5.0, "score": np.arange(40) % 3.0}
    found = assess(Pearson("gold", "score"), [columns, dict(columns)], np.arange(40) // 2, **OPTIONS)
    assert (found.interval.value, found.interval.low, found.interval.high, found.p) == (0, 0, 0, 1)


def test_judges_that_are_right_everywhere_may_still_differ() -> None:
    """An item more that is won and one that is lost: the error is that of 42 items, two of which differ, by t with 41.

    sqrt(41 / 42 * 2 / 41^2) = 0.0341, times 1.683; without, the interval would have no width, whatever the number.
    """
    right = [{"x": np.ones(40)}, {"x": np.ones(40)}]
    found = assess(Mean("x", share=True), right, np.arange(40), **OPTIONS)
    assert (found.interval.value, found.interval.low) == (0, pytest.approx(-0.0341 * 1.683, abs=2e-4))
    assert found.interval.high == pytest.approx(-found.interval.low)
    # One side: of 42 items 41 are right.
    alone = assess(Mean("x", share=True), right[:1], np.arange(40), chance=0.5, **OPTIONS)
    assert alone.interval.value == 0.5 and alone.interval.low == pytest.approx(41 / 42 - 0.5 - 0.0241 * 1.683, abs=5e-4)
    assert (assess(MEAN, right, np.arange(40), **OPTIONS).interval.low) == 0


def test_a_judge_that_nearly_always_says_the_same_counts_as_chance_where_it_always_does() -> None:
    """The other judge's correlation rests on one prompt: a third of the resamples have nothing of it."""
    gold = np.arange(120) % 5.0
    sides = [{"gold": gold, "score": gold}, {"gold": gold, "score": np.where(np.arange(120) < 1, 3.0, 2.0)}]
    clusters = np.arange(120) // 3
    found = assess(Pearson("gold", "score"), sides, clusters, chance=0.0, **OPTIONS)
    assert found.interval.low is not None and found.interval.low > 0.5 and found.interval.undefined == 0
    assert assess(Pearson("gold", "score"), sides, clusters, **OPTIONS).interval.low is None
    # The first judge gets no such favour.
    assert assess(Pearson("gold", "score"), sides[::-1], clusters, chance=0.0, **OPTIONS).interval.low is None


def test_with_few_clusters_no_interval_is_claimed() -> None:
    values, clusters = np.arange(60.0), np.arange(60) % (FEWEST_CLUSTERS - 1)
    found = assess(MEAN, [{"x": values}], clusters, **OPTIONS)
    assert (found.interval.value, found.interval.low, found.p) == (29.5, None, None)
    assert assess(MEAN, [{"x": values}], np.arange(60) % FEWEST_CLUSTERS, **OPTIONS).interval.low is not None


def test_what_is_undefined_has_no_interval() -> None:
    constant = {"gold": np.arange(40.0), "score": np.ones(40)}
    found = assess(MEASURES["direct"]["pearson"], [constant], np.arange(40), **OPTIONS)
    assert (found.interval.value, found.interval.low, found.p) == (None, None, None)
    # Without the first cluster, nothing varies.
    one = {"gold": np.arange(40.0), "score": (np.arange(40) == 0).astype(float)}
    found = assess(MEASURES["direct"]["pearson"], [one], np.arange(40), **OPTIONS)
    assert found.interval.value is not None and found.interval.low is None
    nothing = assess(MEAN, [{"x": np.array([])}], np.array([]), **OPTIONS)
    assert (nothing.interval.value, nothing.items, nothing.clusters) == (None, 0, 0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-1, 1), chance=st.floats(-0.5, 0.5))
def test_p_is_small_where_the_interval_lies_above_zero(seed: int, shift: float, chance: float) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.normal(shift, 1, 60), generator.normal(0, 1, 60)
    sides = [{"x": first}, {"x": second}]
    alone = assess(MEAN, sides[:1], np.arange(60) // 2, chance=chance, **OPTIONS)
    assert alone.interval.value == pytest.approx(first.mean() - chance)
    found = assess(MEAN, sides, np.arange(60) // 2, chance=chance, **OPTIONS)
    assert found.interval.value == pytest.approx(first.mean() - second.mean())
    assert found.interval.low <= found.interval.value <= found.interval.high
    slack = 0.01  # a few draws of the 400
    if found.interval.low > 0:
        assert found.p < OPTIONS["alpha"] + slack
    else:
        assert found.p > OPTIONS["alpha"] - slack
    turned = assess(MEAN, sides[::-1], np.arange(60) // 2, **OPTIONS)
    assert turned.interval.low == pytest.approx(-found.interval.high)
    assert turned.interval.high == pytest.approx(-found.interval.low)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_wider_level_is_a_wider_interval(seed: int) -> None:
    sides = [{"x": np.random.default_rng([seed, side]).normal(size=50)} for side in (0, 1)]
    narrow, wide = (
        assess(MEAN, sides, np.arange(50) // 2, alpha=alpha, resamples=200, seed=1).interval for alpha in (0.1, 0.05)
    )
    assert wide.low <= narrow.low <= narrow.high <= wide.high
