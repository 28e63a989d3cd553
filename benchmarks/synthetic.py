"""Verdicts of judges whose true quality is known, as a benchmark's: prompts with several items, judges that err alike.

A judge's latent opinion is made of what is right, of what both judges misread alike, and of its own error; each has a
part that is the prompt's and a part that is the item's. The true correlation of scores cut from it, or the true
accuracy, is computed, not estimated.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import optimize, stats

from judgeforge.grading.records import Format
from judgeforge.verdicts import SCHEMA

Array = NDArray[Any]

MOST_ITEMS = 7
"""A prompt has 1 to 7 items, 4 on average."""
PROMPT_SHARE = 0.3
"""Of the variance of every part of an opinion, so much is the prompt's."""
ALIKE = 0.5
"""So much of a judge's error is what the other judge errs by, too."""
OWN_ORDER = 0.3
"""Pairs: so much of the variance of an opinion is drawn anew in the other order."""

_NORMAL = NormalDist()
_GOLD_CUTS = np.array([_NORMAL.inv_cdf(share) for share in (0.12, 0.3, 0.5, 0.75)])
_SCORE_CUTS = np.array([_NORMAL.inv_cdf(share) for share in (0.1, 0.3, 0.55, 0.8)])
_FAR = 8.0


@dataclass(frozen=True)
class Judges:
    """Verdict tables of one draw.

    Args:
        champion: of ``judgeforge.verdicts.SCHEMA``; one benchmark a repetition.
        challengers: by name, of the same items.
    """

    champion: pl.DataFrame
    challengers: dict[str, pl.DataFrame]


def draw_judges(
    format: Format,
    champion: float,
    challengers: Mapping[str, float],
    *,
    prompts: int,
    repetitions: Sequence[int],
    seed: int,
) -> Judges:
    """Draw a champion's verdicts, and those of challengers of known quality, on the items of so many benchmarks.

    Args:
        format: of the benchmarks: ``direct`` makes scores from 1 to 5, ``pairwise`` choices in both orders.
        champion: its true correlation (direct) or accuracy (pairwise).
        challengers: theirs, by name.
        prompts: of each benchmark.
        repetitions: numbers of the benchmarks.
        seed: of the draws, together with these numbers.
    """
    generator = np.random.default_rng([seed, prompts, repetitions[0], format == "direct"])
    clusters = len(repetitions) * prompts
    cluster_of = np.repeat(np.arange(clusters), generator.integers(1, MOST_ITEMS + 1, clusters))

    def draw() -> Array:
        by_prompt, by_item = generator.normal(size=clusters), generator.normal(size=cluster_of.size)
        return np.asarray(np.sqrt(PROMPT_SHARE) * by_prompt[cluster_of] + np.sqrt(1 - PROMPT_SHARE) * by_item)

    items = pl.DataFrame(
        {
            "benchmark": np.asarray(repetitions)[cluster_of // prompts].astype(str),
            "format": format,
            "method": format,
            "item_id": np.arange(cluster_of.size).astype(str),
            "prompt_id": cluster_of.astype(str),
        }
    )
    right, alike = draw(), draw()
    build = _score if format == "direct" else _choose

    def judge(quality: float) -> pl.DataFrame:
        return build(items, quality, right, alike, draw(), generator)

    return Judges(judge(champion), {name: judge(quality) for name, quality in challengers.items()})


def compute_correlation(latent: float) -> float:
    """Compute Pearson's correlation of gold and score where the latent opinions correlate by ``latent``."""
    normal = stats.multivariate_normal(cov=[[1, latent], [latent, 1]])
    rows, columns = (np.concatenate([[-_FAR], cuts, [_FAR]]) for cuts in (_GOLD_CUTS, _SCORE_CUTS))
    below = np.array([[normal.cdf([row, column]) for column in columns] for row in rows])
    cells = np.diff(np.diff(below, axis=0), axis=1)
    scores, left, right = np.arange(1, 6), cells.sum(axis=1), cells.sum(axis=0)
    deviations = [np.sqrt(margin @ scores**2 - (margin @ scores) ** 2) for margin in (left, right)]
    return float((scores @ cells @ scores - (left @ scores) * (right @ scores)) / np.prod(deviations))


@functools.cache
def find_latent(quality: float) -> float:
    """Find the latent correlation that makes scores correlate with gold by ``quality``."""
    found = optimize.brentq(lambda value: compute_correlation(value) - quality, 0.01, 0.999, xtol=1e-6)
    return float(found)


def _score(
    items: pl.DataFrame, quality: float, right: Array, alike: Array, own: Array, generator: np.random.Generator
) -> pl.DataFrame:
    latent = find_latent(quality)
    error = np.sqrt(ALIKE) * alike + np.sqrt(1 - ALIKE) * own
    opinion = latent * right + np.sqrt(1 - latent**2) * error
    score, gold = (1 + np.searchsorted(cuts, values) for cuts, values in ((_SCORE_CUTS, opinion), (_GOLD_CUTS, right)))
    return _fill(items.with_columns(order=pl.lit(""), gold_score=gold.astype(float), score=score))


def _choose(
    items: pl.DataFrame, quality: float, right: Array, alike: Array, own: Array, generator: np.random.Generator
) -> pl.DataFrame:
    settled = np.sqrt(ALIKE) * alike + np.sqrt(1 - ALIKE - OWN_ORDER) * own
    tables = []
    for order, better in (("given", "A"), ("swapped", "B")):
        opinion = settled + np.sqrt(OWN_ORDER) * generator.normal(size=own.size)
        choice = np.where(opinion > -_NORMAL.inv_cdf(quality), better, {"A": "B", "B": "A"}[better])
        tables.append(items.with_columns(order=pl.lit(order), gold_choice=pl.lit("A"), choice=choice))
    return _fill(pl.concat(tables))


def _fill(table: pl.DataFrame) -> pl.DataFrame:
    facts = {"judge": "synthetic", "mode": "clean", "sample": 0, "group": "", "contaminated": False, "feedback": ""}
    facts |= {"raw_text": "", "finish": "stop", "prompt_tokens": 0, "output_tokens": 0, "lowest": 1, "highest": 5}
    table = table.with_columns(pl.lit(value).alias(name) for name, value in facts.items())
    missing = [pl.lit(None).alias(name) for name in SCHEMA if name not in table.columns]
    return table.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
