import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeforge.statistics import Interval, cluster_bootstrap
from judgeforge.statistics.bootstrap import bootstrap_difference
from judgeforge.statistics.measure import Mean, Pearson, Table, compute
from judgeforge.statistics.tables import compute_kendall, compute_spearman

OPTIONS = {"resamples": 400, "confidence": 0.95, "seed": 7}


MEAN = Mean("x")


def width(interval: Interval) -> float:
    assert interval.low is not None and interval.high is not None
    return interval.high - interval.low


def test_matches_the_known_interval_of_a_proportion() -> None:
    values = np.repeat([0.0, 1.0], [60, 40])
    interval = cluster_bootstrap(MEAN, {"x": values}, np.arange(100), resamples=4000, confidence=0.95, seed=1)
    # Binomial(100, 0.4): mean 0.4, standard deviation 0.049; the 95 % quantiles are 0.31 and 0.50.
    assert interval.value == pytest.approx(0.4)
    assert interval.low == pytest.approx(0.31, abs=0.011)
    assert interval.high == pytest.approx(0.50, abs=0.011)


def test_duplicating_every_item_within_its_cluster_changes_nothing() -> None:
    values = np.random.default_rng(3).normal(size=40)
    once = cluster_bootstrap(MEAN, {"x": values}, np.arange(40), **OPTIONS)
    thrice = cluster_bootstrap(MEAN, {"x": np.repeat(values, 3)}, np.repeat(np.arange(40), 3), **OPTIONS)
    assert thrice.value == pytest.approx(once.value)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_ignoring_the_clusters_would_shrink_the_interval() -> None:
    values = np.repeat(np.random.default_rng(3).normal(size=40), 9)
    clustered = cluster_bootstrap(MEAN, {"x": values}, np.repeat(np.arange(40), 9), **OPTIONS)
    naive = cluster_bootstrap(MEAN, {"x": values}, np.arange(360), **OPTIONS)
    assert width(clustered) > 2 * width(naive)


def test_the_difference_of_identical_systems_is_exactly_zero() -> None:
    generator = np.random.default_rng(5)
    gold, given_ = generator.integers(1, 6, 60).astype(float), generator.integers(1, 6, 60).astype(float)

    sides = [{"gold": gold, "score": given_}, {"gold": gold, "score": given_.copy()}]
    found = bootstrap_difference(Pearson("gold", "score"), sides, np.arange(60) // 3, **OPTIONS)
    assert found == Interval(0.0, 0.0, 0.0)


def test_undefined_resamples_are_counted_and_where_there_are_many_no_interval_is_claimed() -> None:
    values = np.array([1, np.nan])
    interval = cluster_bootstrap(MEAN, {"x": values}, np.array([0, 1]), **OPTIONS)
    # Two clusters: a quarter of the draws take the second one twice.
    assert interval.undefined == pytest.approx(100, abs=30)
    assert (interval.value, interval.low, interval.high) == (1, None, None)
    # Five clusters: one draw of 3125 takes the last one five times.
    few = cluster_bootstrap(MEAN, {"x": np.array([1, 1, 1, 1, np.nan])}, np.arange(5), **OPTIONS | {"seed": 9})
    assert (few.low, few.high) == (1, 1)


@pytest.mark.parametrize(
    ("values", "clusters", "expected"),
    [
        ([], [], Interval(None, None, None)),
        ([2.0, 4.0], ["p", "p"], Interval(3.0, None, None)),
    ],
    ids=["no item", "one cluster"],
)
def test_no_interval_where_none_can_be_had(values, clusters, expected) -> None:
    assert cluster_bootstrap(MEAN, {"x": np.array(values)}, np.array(clusters), **OPTIONS) == expected


def test_an_undefined_value_has_no_interval() -> None:
    interval = cluster_bootstrap(MEAN, {"x": np.full(4, np.nan)}, np.arange(4), **OPTIONS)
    assert interval.to_json() == {"value": None, "low": None, "high": None}


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 6), st.integers(1, 5), st.sampled_from([1.0, 2.5, 3.0, 5.0])), min_size=4, max_size=30
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_all_resamples_at_once_are_those_drawn_one_by_one(rows, seed) -> None:
    """The slow way: gather the rows of every drawn cluster and measure them."""
    clusters, gold, score = (np.array(values, dtype=float) for values in zip(*rows, strict=True))
    columns = {"gold": gold, "score": score}
    names = np.unique(clusters)
    drawn = np.random.default_rng(seed).integers(names.size, size=(40, names.size))
    for measure in (
        Mean("score"),
        Pearson("gold", "score"),
        Table("gold", "score", compute_spearman),
        Table("gold", "score", compute_kendall),
    ):
        found = cluster_bootstrap(measure, columns, clusters, resamples=40, confidence=0.9, seed=seed)
        if found.value is None or names.size < 2:
            continue
        slow = []
        for one in drawn:
            picked = np.concatenate([np.flatnonzero(clusters == names[index]) for index in one])
            slow.append(compute(measure, {name: column[picked] for name, column in columns.items()}))
        defined = [value for value in slow if value is not None]
        assert found.undefined == len(slow) - len(defined)
        if found.undefined > 0.1 * len(slow):
            assert (found.low, found.high) == (None, None)
        else:
            expected = np.quantile(defined, [0.05, 0.95])
            assert (found.low, found.high) == pytest.approx(tuple(expected), abs=1e-9)
