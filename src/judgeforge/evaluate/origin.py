"""Where a judge's answers came from, and how its weights were merged: written beside its metrics."""

from pathlib import Path
from typing import Any

from judgeforge.files import load_json
from judgeforge.verdicts import Origin

_MERGE_FILE = "merge.json"
"""What the stage ``merge`` writes beside the weights; stages do not import one another."""


def describe_origin(model: Path | None, endpoint: Path | None, recorded: Path | None) -> dict[str, Any]:
    """Describe where the answers came from.

    Args:
        model: the folder of weights that were run here.
        endpoint: the file that describes an endpoint.
        recorded: a file of verdicts.

    Returns:
        ``origin`` (see ``judgeforge.verdicts.Origin``), and of a merged model ``merge``: its ``method`` and ``alpha``,
        the weight of the first of the merged judges (None where the method has none).
    """
    if model is None:
        origin: Origin = "endpoint" if endpoint else "recorded" if recorded else "reference"
        return {"origin": origin}
    path = model / _MERGE_FILE
    return {"origin": "model"} | ({"merge": _read_merge(load_json(path))} if path.is_file() else {})


def _read_merge(provenance: dict[str, Any]) -> dict[str, Any]:
    recipe = provenance["recipe"]
    first = (recipe.get("models") or [{}])[0]
    return {"method": recipe["merge_method"], "alpha": first.get("parameters", {}).get("weight")}
