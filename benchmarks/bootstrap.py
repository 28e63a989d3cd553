"""The cluster bootstrap of a Pearson correlation: ours against scipy.stats.bootstrap drawing the same clusters.

SciPy knows no clusters: as its users do, we let it draw cluster numbers and gather their rows in the statistic.
The correlation itself is the same function on both sides.
"""

import numpy as np
from harness import Side, compare
from numpy.typing import NDArray
from scipy import stats

from judgeforge.statistics import MEASURES, cluster_bootstrap

CLUSTERS, ROWS, RESAMPLES, CONFIDENCE = 80, 320, 2000, 0.95  # those of MT Bench in the demo's settings


def main() -> None:
    """Measure; both sides must find the same interval, up to the luck of the draw."""
    generator = np.random.default_rng(0)
    gold = generator.integers(1, 6, ROWS).astype(float)
    columns = {"gold": gold, "score": np.clip(gold + generator.integers(-1, 2, ROWS), 1, 5)}
    clusters = np.arange(ROWS) % CLUSTERS
    rows_of = [np.flatnonzero(clusters == cluster) for cluster in range(CLUSTERS)]

    statistic = MEASURES["direct"]["pearson"]
    found: dict[str, NDArray[np.float64]] = {}

    def run_ours() -> None:
        interval = cluster_bootstrap(statistic, columns, clusters, resamples=RESAMPLES, confidence=CONFIDENCE, seed=0)
        found["ours"] = np.array([interval.low, interval.high], dtype=float)

    def correlate(drawn: NDArray[np.int64]) -> float | None:
        rows = np.concatenate([rows_of[cluster] for cluster in drawn])
        return statistic({name: column[rows] for name, column in columns.items()})

    def run_scipy() -> None:
        options = {"n_resamples": RESAMPLES, "confidence_level": CONFIDENCE, "method": "percentile", "rng": 0}
        interval = stats.bootstrap((np.arange(CLUSTERS),), correlate, vectorized=False, **options).confidence_interval
        found["scipy"] = np.array([interval.low, interval.high])

    compare(
        "bootstrap",
        f"interval of Pearson's r, {ROWS} rows in {CLUSTERS} clusters, {RESAMPLES} resamples",
        Side("judgeforge", run_ours),
        Side("scipy.stats", run_scipy),
        check=lambda: np.testing.assert_allclose(found["ours"], found["scipy"], atol=0.01),
        rounds=7,
        goal=1.0,
    )


if __name__ == "__main__":
    main()
