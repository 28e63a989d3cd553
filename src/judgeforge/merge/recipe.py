"""The recipe: our parameters as a mergekit configuration, nothing left to its defaults."""

from pathlib import Path
from typing import Any

from judgeforge.params import MergeParams


def build_recipe(params: MergeParams, direct: Path, pairwise: Path) -> dict[str, Any]:
    """Build mergekit's configuration: alpha * direct + (1 - alpha) * pairwise (paper, eq. 3).

    The weights sum to 1, and mergekit is told not to normalise, so that what the recipe says is what is done.

    Args:
        params: the section ``merge``.
        direct: full weights of the direct judge.
        pairwise: full weights of the pairwise judge.
    """
    return {
        "merge_method": params.method,
        "models": [
            {"model": str(direct), "parameters": {"weight": params.alpha}},
            {"model": str(pairwise), "parameters": {"weight": 1.0 - params.alpha}},
        ],
        "parameters": {"normalize": False},
        "dtype": "float32",
        "out_dtype": params.dtype,
    }
