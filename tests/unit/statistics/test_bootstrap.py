import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeforge.statistics import Interval, cluster_bootstrap
from judgeforge.statistics.correlation import compute_pearson

OPTIONS = {"resamples": 400, "confidence": 0.95, "seed": 7}


def mean(columns):
    return float(columns["x"].mean())


def width(interval: Interval) -> float:
    assert interval.low is not None and interval.high is not None
    return interval.high - interval.low


def test_matches_the_known_interval_of_a_proportion() -> None:
    values = np.repeat([0.0, 1.0], [60, 40])
    interval = cluster_bootstrap(mean, {"x": values}, np.arange(100), resamples=4000, confidence=0.95, seed=1)
    # Binomial(100, 0.4): mean 0.4, standard deviation 0.049; the 95 % quantiles are 0.31 and 0.50.
    assert interval.value == pytest.approx(0.4)
    assert interval.low == pytest.approx(0.31, abs=0.011)
    assert interval.high == pytest.approx(0.50, abs=0.011)


def test_duplicating_every_item_within_its_cluster_changes_nothing() -> None:
    values = np.random.default_rng(3).normal(size=40)
    once = cluster_bootstrap(mean, {"x": values}, np.arange(40), **OPTIONS)
    thrice = cluster_bootstrap(mean, {"x": np.repeat(values, 3)}, np.repeat(np.arange(40), 3), **OPTIONS)
    assert thrice.value == pytest.approx(once.value)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_ignoring_the_clusters_would_shrink_the_interval() -> None:
    values = np.repeat(np.random.default_rng(3).normal(size=40), 9)
    clustered = cluster_bootstrap(mean, {"x": values}, np.repeat(np.arange(40), 9), **OPTIONS)
    naive = cluster_bootstrap(mean, {"x": values}, np.arange(360), **OPTIONS)
    assert width(clustered) > 2 * width(naive)


def test_the_difference_of_identical_systems_is_exactly_zero() -> None:
    generator = np.random.default_rng(5)
    gold, given_ = generator.integers(1, 6, 60).astype(float), generator.integers(1, 6, 60).astype(float)

    def difference(columns):
        return compute_pearson(columns["gold"], columns["a"]) - compute_pearson(columns["gold"], columns["b"])

    columns = {"gold": gold, "a": given_, "b": given_.copy()}
    assert cluster_bootstrap(difference, columns, np.arange(60) // 3, **OPTIONS) == Interval(0.0, 0.0, 0.0)


def test_undefined_resamples_are_left_out_and_counted() -> None:
    def defined_with_a_one(columns):
        return 1.0 if columns["x"].any() else None

    interval = cluster_bootstrap(defined_with_a_one, {"x": np.array([1, 0])}, np.array([0, 1]), **OPTIONS)
    # Two clusters: a quarter of the draws take the second one twice.
    assert interval.undefined == pytest.approx(100, abs=30)
    assert (interval.low, interval.high) == (1, 1)


@pytest.mark.parametrize(
    ("values", "clusters", "expected"),
    [
        ([], [], Interval(None, None, None)),
        ([2.0, 4.0], ["p", "p"], Interval(3.0, None, None)),
    ],
    ids=["no item", "one cluster"],
)
def test_no_interval_where_none_can_be_had(values, clusters, expected) -> None:
    assert cluster_bootstrap(mean, {"x": np.array(values)}, np.array(clusters), **OPTIONS) == expected


def test_an_undefined_value_has_no_interval() -> None:
    interval = cluster_bootstrap(lambda _: None, {"x": np.ones(4)}, np.arange(4), **OPTIONS)
    assert interval.to_json() == {"value": None, "low": None, "high": None}


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from("abcde"), st.floats(-5, 5)), min_size=2, max_size=30),
    seed=st.integers(0, 2**32 - 1),
)
def test_whole_clusters_are_drawn_and_the_seed_decides(rows, seed) -> None:
    clusters = np.array([cluster for cluster, _ in rows])
    sizes = {name: int((clusters == name).sum()) for name in set(clusters)}
    seen = []

    def record(columns):
        seen.append(columns["cluster"])
        return 0.0

    columns = {"cluster": clusters}
    first = cluster_bootstrap(record, columns, clusters, resamples=5, confidence=0.9, seed=seed)
    for drawn in seen:
        for name, size in sizes.items():
            assert int((drawn == name).sum()) % size == 0
    draws = len(seen)
    assert cluster_bootstrap(record, columns, clusters, resamples=5, confidence=0.9, seed=seed) == first
    assert all((one == two).all() for one, two in zip(seen[:draws], seen[draws:], strict=True))
