"""From log-probabilities of tokens to the share of each verdict."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import logsumexp


def compute_shares(chances: Mapping[str, Sequence[float]]) -> dict[str, float] | None:
    """Compute the probability of each verdict, given that one of them is said.

    Args:
        chances: the log-probabilities of the tokens that say a verdict; none counts as impossible.

    Returns:
        shares with sum 1, or None where no verdict has any.
    """
    masses = np.array([logsumexp(values) if len(values) else -np.inf for values in chances.values()])
    if not np.isfinite(masses).any():
        return None
    shares = np.exp(masses - logsumexp(masses))
    return dict(zip(chances, shares.tolist(), strict=True))
