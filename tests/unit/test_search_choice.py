"""Which candidate is taken: the best, or with ``only_proven`` one that is better beyond chance."""

import pytest

from judgeforge.params import SearchParams
from judgeforge.search.choosing import choose

GRID = {"enabled": True, "methods": ("linear",), "alphas": (0.5,), "scalings": (1.0,), "densities": (0.5,)}


def row(name, objective, direct, pairwise, **own):
    """A candidate, with the intervals of its differences to the first."""
    ends = {"pearson": direct, "accuracy": pairwise}
    values = {"method": "linear", "alpha": 0.5, "scaling": 1.0, "density": 1.0, "seed": 1} | own
    return (
        values
        | {"name": name, "objective": objective}
        | {
            f"{measure}_difference_{end}": value
            for measure, interval in ends.items()
            for end, value in zip(("low", "high"), interval, strict=True)
        }
    )


STANDING = row("standing", 0.5, (0.0, 0.0), (0.0, 0.0))
NOISE = row("noise", 0.9, (-0.1, 0.9), (-0.2, 0.8), alpha=0.1)
TRADE = row("trade", 0.8, (0.2, 0.9), (-0.5, -0.1), alpha=0.2)
BETTER = row("better", 0.6, (0.01, 0.2), (-0.1, 0.1), alpha=0.3)
PROVEN_WORSE = row("proven, and worse", 0.4, (0.01, 0.02), (-0.5, 0.1), alpha=0.4)
UNDEFINED = row("undefined", None, (None, None), (0.1, 0.2), alpha=0.6)
LUCKY = [
    row(f"dare {seed}", score, (0.1, 0.2), (0.1, 0.2), method="dare_ties", seed=seed)
    for seed, score in ((1, 0.5), (2, 0.95), (3, 0.5))
]


@pytest.mark.parametrize(
    ("only_proven", "rows", "expected"),
    [
        (False, [STANDING, NOISE, BETTER], "noise"),
        (True, [STANDING, NOISE, TRADE], "standing"),
        (True, [STANDING, NOISE, TRADE, BETTER], "better"),
        (False, [STANDING, UNDEFINED], "standing"),
        (True, [STANDING, UNDEFINED], "standing"),
        (False, [UNDEFINED], "undefined"),
        (True, [STANDING, PROVEN_WORSE], "standing"),
        # Seeds are no merges of their own: their mean is 0.65, and the first is taken.
        (False, [STANDING, *LUCKY, TRADE], "trade"),
        (True, [STANDING, *LUCKY, BETTER], "dare 1"),
        # What stands there is a seed among others, too: a luckier one is no other merge.
        (False, LUCKY, "dare 1"),
        (True, LUCKY, "dare 1"),
    ],
)
def test_the_choice(only_proven, rows, expected):
    params = SearchParams(**GRID, seeds=(1,), rows=5, only_proven=only_proven)
    assert choose(params, rows)["name"] == expected
