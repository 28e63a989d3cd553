"""Where a judge's answers came from, and how its weights were merged: written beside its metrics."""

from pathlib import Path
from typing import Any

from judgeforge.engines.fingerprint import digest_weights
from judgeforge.errors import InputError
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

    Raises:
        InputError: a merged model does not say how it was merged.

    Returns:
        ``origin`` (see ``judgeforge.verdicts.Origin``), of a model the digest of its ``weights``, and of a merged one
        ``merge``: its ``method`` and ``alpha``.
    """
    if model is None:
        origin: Origin = "endpoint" if endpoint else "recorded" if recorded else "reference"
        return {"origin": origin}
    path = model / _MERGE_FILE
    merge = {"merge": _read_merge(path)} if path.is_file() else {}
    return {"origin": "model", "weights": digest_weights(model)} | merge


def _read_merge(path: Path) -> dict[str, Any]:
    values = load_json(path).get("values")
    if not isinstance(values, dict) or not {"method", "alpha"} <= values.keys():
        raise InputError(f"{path} does not say how its judge was merged.", "merge it again: 'judgeforge merge'.")
    return {name: values[name] for name in ("method", "alpha")}
