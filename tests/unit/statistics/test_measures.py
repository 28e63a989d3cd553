"""Measures of tables equal those of SciPy and scikit-learn, and vanish where these are undefined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from judgeforge.statistics.measure import Mean, Pearson, Table, compute
from judgeforge.statistics.measures import MEASURES
from judgeforge.statistics.tables import compute_kappa, compute_kendall, compute_quadratic_kappa, compute_spearman

SPEARMAN = Table("gold", "score", compute_spearman)
KENDALL = Table("gold", "score", compute_kendall)
CORRELATIONS = [
    (Pearson("gold", "score"), stats.pearsonr),
    (SPEARMAN, stats.spearmanr),
    (KENDALL, stats.kendalltau),
]
SCORES = st.sampled_from([1.0, 4 / 3, 2.0, 2.5, 3.0, 4.0, 5.0])


def columns(gold, score) -> dict:
    return {"gold": np.array(gold, dtype=float), "score": np.array(score, dtype=float)}


@settings(max_examples=150, deadline=None)
@given(pairs=st.lists(st.tuples(SCORES, SCORES), min_size=2, max_size=40))
def test_correlations_equal_scipys(pairs) -> None:
    gold, score = zip(*pairs, strict=True)
    for measure, reference in CORRELATIONS:
        found = compute(measure, columns(gold, score))
        if len(set(gold)) == 1 or len(set(score)) == 1:
            assert found is None
        else:
            assert found == pytest.approx(reference(gold, score)[0], abs=1e-9)


def test_correlations_of_scores_that_are_all_different_equal_scipys() -> None:
    generator = np.random.default_rng(1)
    gold = generator.integers(1, 6, 500).astype(float)
    score = np.clip(gold + generator.normal(size=500), 1, 5)
    for measure, reference in CORRELATIONS:
        assert compute(measure, columns(gold, score)) == pytest.approx(reference(gold, score)[0])


def test_tau_b_of_a_case_worked_by_hand() -> None:
    # Pairs of (1,1) (1,2) (2,3) (3,2): concordant 1-3, 1-4, 2-3; discordant 3-4; tied in gold 1-2, in score 2-4.
    # tau-b = (3 - 1) / sqrt((6 - 1) (6 - 1)) = 0.4
    assert compute(KENDALL, columns([1, 1, 2, 3], [1, 2, 3, 2])) == pytest.approx(0.4)


@settings(max_examples=100, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=40))
def test_kappas_equal_scikit_learns(pairs) -> None:
    gold, score = zip(*pairs, strict=True)
    if len({*gold, *score}) < 2:
        return
    for finisher, weights in ((compute_quadratic_kappa, "quadratic"), (compute_kappa, None)):
        found = compute(Table("gold", "score", finisher, square=True), columns(gold, score))
        assert found == pytest.approx(cohen_kappa_score(gold, score, labels=range(1, 6), weights=weights), abs=1e-9)


def test_rows_without_a_value_do_not_count() -> None:
    table = columns([1, 2, 3, 4], [1, np.nan, 3, 4])
    assert compute(Mean("score"), table) == pytest.approx(8 / 3)
    for measure, _ in CORRELATIONS:
        assert compute(measure, table) == pytest.approx(1)
    nothing = columns([np.nan], [np.nan])
    assert [compute(measure, nothing) for measure in (Mean("score"), SPEARMAN, CORRELATIONS[0][0])] == [None] * 3


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_a_constant_is_told_from_small_differences_at_any_scale(scale) -> None:
    measure = CORRELATIONS[0][0]
    assert compute(measure, columns([1, 2, 3], np.array([0.1, 0.1, 0.1]) * scale)) is None
    assert compute(measure, columns([1, 2, 3], np.array([0.1, 0.1, 0.1001]) * scale)) == pytest.approx(0.8660, abs=1e-4)


def test_every_measure_shows_nothing_for_nothing() -> None:
    for measures in MEASURES.values():
        for measure in measures.values():
            names = [getattr(measure, key) for key in ("column", "first", "second") if hasattr(measure, key)]
            assert compute(measure, {name: np.array([]) for name in names}) is None
