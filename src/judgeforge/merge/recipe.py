"""The recipe: our parameters as a mergekit configuration, nothing left to its defaults."""

from pathlib import Path
from typing import Any

from judgeforge.params import MergeParams


def build_recipe(params: MergeParams, direct: Path, pairwise: Path, base: Path) -> dict[str, Any]:
    """Build mergekit's configuration of a merge; the formulas: src/judgeforge/weights/methods.py.

    mergekit would divide by the sum of weights in linear and ties, and not in the others. The weights sum to 1, so
    that ``normalize`` is told for the elected signs alone.

    Args:
        params: the section ``merge``.
        direct: full weights of the direct judge.
        pairwise: full weights of the pairwise judge.
        base: their base.
    """
    common = {"merge_method": params.method, "dtype": "float32", "out_dtype": params.dtype}
    models: list[dict[str, Any]]
    if params.method == "slerp":
        models = [{"model": str(direct)}, {"model": str(pairwise)}]
        return common | {"base_model": str(pairwise), "models": models, "parameters": {"t": params.alpha}}
    shares = {direct: params.alpha, pairwise: 1.0 - params.alpha}
    if params.method == "linear":
        models = [{"model": str(judge), "parameters": {"weight": share}} for judge, share in shares.items()]
        return common | {"models": models, "parameters": {"normalize": False}}
    own = {} if params.method == "task_arithmetic" else {"density": params.density}
    models = [{"model": str(judge), "parameters": {"weight": share} | own} for judge, share in shares.items()]
    together: dict[str, Any] = {"normalize": params.normalize and params.method in ("ties", "dare_ties")}
    together |= {"lambda": params.scaling, "rescale": params.method in ("dare_linear", "dare_ties")}
    return common | {"base_model": str(base), "models": models, "parameters": together}
