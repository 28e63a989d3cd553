"""The cluster bootstrap of Kendall's tau-b: ours against scipy.stats.bootstrap drawing the same clusters.

SciPy knows no clusters: as its users do, we let it draw cluster numbers and gather their rows in the statistic, which
is its own ``kendalltau``.
"""

import time

import numpy as np
from harness import Side, compare
from numpy.typing import NDArray
from scipy import stats

from judgeforge.statistics import MEASURES, cluster_bootstrap

CLUSTERS, ROWS, RESAMPLES, CONFIDENCE = 600, 3000, 10_000, 0.95
SHARE = 20
"""Side by side, both draw a share of the resamples: SciPy takes minutes for all."""


def main() -> None:
    """Measure; both sides must find the same interval, up to the luck of the draw."""
    generator = np.random.default_rng(0)
    gold = generator.integers(1, 6, ROWS).astype(float)
    columns = {"gold": gold, "score": np.clip(gold + generator.integers(-1, 2, ROWS), 1, 5)}
    clusters = np.arange(ROWS) % CLUSTERS
    rows_of = [np.flatnonzero(clusters == cluster) for cluster in range(CLUSTERS)]
    found: dict[str, NDArray[np.float64]] = {}

    def run_ours(resamples: int = RESAMPLES // SHARE) -> None:
        interval = cluster_bootstrap(
            MEASURES["direct"]["kendall"], columns, clusters, resamples=resamples, confidence=CONFIDENCE, seed=0
        )
        found["ours"] = np.array([interval.low, interval.high], dtype=float)

    def correlate(drawn: NDArray[np.int64]) -> float:
        rows = np.concatenate([rows_of[cluster] for cluster in drawn])
        return float(stats.kendalltau(columns["gold"][rows], columns["score"][rows]).statistic)

    def run_scipy() -> None:
        options = {"n_resamples": RESAMPLES // SHARE, "confidence_level": CONFIDENCE, "method": "percentile", "rng": 0}
        interval = stats.bootstrap((np.arange(CLUSTERS),), correlate, vectorized=False, **options).confidence_interval
        found["scipy"] = np.array([interval.low, interval.high])

    for name, measure in MEASURES["direct"].items():
        if name in {"pearson", "spearman", "kendall"}:
            start = time.perf_counter()
            cluster_bootstrap(measure, columns, clusters, resamples=RESAMPLES, confidence=CONFIDENCE, seed=0)
            print(f"{name}: {RESAMPLES:,} resamples of {ROWS:,} items in {time.perf_counter() - start:.1f} s")
    compare(
        "bootstrap",
        f"interval of Kendall's tau-b, {ROWS} rows in {CLUSTERS} clusters, {RESAMPLES // SHARE} resamples",
        Side("judgeforge", run_ours),
        Side("scipy.stats", run_scipy),
        check=lambda: np.testing.assert_allclose(found["ours"], found["scipy"], atol=0.01),
        rounds=5,
        goal=1.0,
    )


if __name__ == "__main__":
    main()
