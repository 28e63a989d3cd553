"""Either engine, and what is looked at afterwards."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from judgeforge.files import scratch_folder
from judgeforge.params import MergeParams
from judgeforge.progress import progress_bar
from judgeforge.weights.drift import Norms, check_drift
from judgeforge.weights.headers import Header
from judgeforge.weights.opening import open_sources
from judgeforge.weights.parts import JudgePart
from judgeforge.weights.stream import stream_merge


def merge_weights(
    params: MergeParams, parts: Sequence[JudgePart], base: Path, header: Header, folder: Path, place: Path
) -> dict[str, Norms]:
    """Merge by the engine that ``params`` names.

    Args:
        params: the section ``merge``.
        parts: the direct and the pairwise judge.
        base: their base.
        header: of what is merged.
        folder: an empty one.
        place: a folder for scratch.

    Returns:
        Norms of every tensor.
    """
    if params.engine == "mergekit":
        from judgeforge.merge.reference import merge_by_mergekit  # noqa: PLC0415 - ten seconds of imports

        with scratch_folder(place, "folded") as scratch:
            return merge_by_mergekit(params, parts, base, header, folder, scratch)
    opened = open_sources(parts, base, place, needs_base=params.needs_base())
    with opened as sources, progress_bar() as progress:
        task = progress.add_task("Merging", total=sum(place.numbers for place in header.values()))
        # By name, so that the output does not tell how the judges' shards were cut.
        return stream_merge(params, sources, sorted(header), folder, lambda done: progress.advance(task, done))


def check_result(params: MergeParams, norms: Mapping[str, Norms], folder: Path) -> dict[str, Any]:
    """Look at what was merged.

    Args:
        params: the section ``merge``.
        norms: of every tensor.
        folder: the merged judge's, whole.

    Returns:
        What was found: ``drift`` and ``canary``.

    Raises:
        BrokenMergeError: it is not fit to be published.
    """
    checks: dict[str, Any] = {"drift": _summarise(check_drift(norms, params.alpha))}
    if params.canary:
        from judgeforge.merge.canary import say_something  # noqa: PLC0415 - transformers takes seconds

        checks["canary"] = say_something(folder, params.dtype)
    return checks


def _summarise(drifts: dict[str, float]) -> dict[str, Any]:
    """Name the layers that have shrunk and grown the most."""
    ordered = sorted(drifts, key=lambda layer: drifts[layer])
    return {
        name: {"layer": layer, "norm": round(drifts[layer], 6)}
        for name, layer in (("least", ordered[0]), ("most", ordered[-1]))
    }
