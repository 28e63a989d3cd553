import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from judgeforge.statistics.correlation import compute_kendall, compute_pearson, compute_spearman

CORRELATIONS = [compute_pearson, compute_spearman, compute_kendall]
SCIPY = {
    compute_pearson: lambda a, b: stats.pearsonr(a, b).statistic,
    compute_spearman: lambda a, b: stats.spearmanr(a, b).statistic,
    compute_kendall: lambda a, b: stats.kendalltau(a, b, variant="b").statistic,
}
scores = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=60)


def test_hand_worked_values() -> None:
    gold, given_ = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 2.0, 5.0])
    # Deviations: (-1.5, -.5, .5, 1.5) and (-1.5, -.5, -.5, 2.5); sums of squares 5 and 9, of products 6.
    assert compute_pearson(gold, given_) == pytest.approx(6 / np.sqrt(45))
    # Ranks of the second: 1, 2.5, 2.5, 4; sums of squares 5 and 4.5, of products 4.5.
    assert compute_spearman(gold, given_) == pytest.approx(4.5 / np.sqrt(5 * 4.5))
    # Six pairs, one tied in the second: five concordant, none discordant.
    assert compute_kendall(gold, given_) == pytest.approx(5 / np.sqrt(6 * 5))


@pytest.mark.parametrize("correlation", CORRELATIONS)
@given(pairs=scores)
def test_agrees_with_scipy_and_is_none_for_constants(correlation, pairs) -> None:
    first, second = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    value = correlation(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert value is None
    else:
        assert value == pytest.approx(SCIPY[correlation](first, second), abs=1e-12)


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_perfect_agreement_and_its_reverse_are_exact(correlation) -> None:
    values = np.array([1.0, 2.0, 2.0, 5.0, 3.0])
    assert correlation(values, values) == pytest.approx(1, abs=1e-12)
    assert correlation(values, -values) == pytest.approx(-1, abs=1e-12)
    assert abs(correlation(values, values)) <= 1


@pytest.mark.parametrize("correlation", CORRELATIONS)
@pytest.mark.parametrize("size", [0, 1])
def test_too_few_values_have_no_correlation(correlation, size) -> None:
    assert correlation(np.ones(size), np.ones(size)) is None
