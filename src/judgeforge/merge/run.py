"""One merge: check the judges, merge, check what came out, and write the judge with its provenance."""

import importlib.metadata
import platform
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from judgeforge.errors import InputError
from judgeforge.files import write_folder_atomically, write_json
from judgeforge.merge.engines import check_result, merge_weights
from judgeforge.params import MergeParams
from judgeforge.progress import say
from judgeforge.training_sets import load_judge_lineage, write_judge_lineage
from judgeforge.weights.adapters import check_base_identity, find_base_digests
from judgeforge.weights.checks import check_judges, check_place, check_room
from judgeforge.weights.companions import write_companions
from judgeforge.weights.digests import Digests, hash_in_background
from judgeforge.weights.headers import FLOATS, WIDTHS
from judgeforge.weights.parts import JudgePart

PROVENANCE_FILE = "merge.json"
_WIDTHS = {dtype: WIDTHS[name] for name, dtype in FLOATS.items()}


def merge_judges(
    params: MergeParams,
    base: Path,
    direct: Path,
    pairwise: Path,
    out: Path,
    chosen_for: Mapping[str, Digests] | None = None,
) -> dict[str, Any]:
    """Merge two judges into ``out`` and return the provenance that is written beside the weights.

    Args:
        params: the section ``merge``.
        base: the base model of both; read where an adapter or the method needs it.
        direct: the direct judge: adapter or full weights.
        pairwise: the pairwise judge.
        out: the merged judge's folder; untouched if anything fails.
        chosen_for: digests of what ``params`` were chosen for; None: of anything.

    Raises:
        InputError: the judges do not fit together, or are others than ``params`` were chosen for.
        BrokenMergeError: the merged weights are unfit; nothing is written.
        EnvironmentFault: no room on the disk; nothing is written.
    """
    parts = [JudgePart("direct", direct, base), JudgePart("pairwise", pairwise, base)]
    check_place(out, (base, direct, pairwise))
    header = check_judges(parts, base, needs_base=params.needs_base())
    numbers = sum(place.numbers for place in header.values())
    out.parent.mkdir(parents=True, exist_ok=True)
    check_room(out, numbers, _WIDTHS[params.dtype])
    reads_base = params.needs_base() or any(part.is_adapter for part in parts)
    folders = ({"base": base} if reads_base else {}) | {part.name: part.folder for part in parts}
    with hash_in_background(folders) as hashing, write_folder_atomically(out) as folder:
        for part in parts if reads_base else ():
            _check_base(part, hashing["base"].result())
        norms = merge_weights(params, parts, base, header, folder, out.parent)
        write_companions(parts[0], params.dtype, folder)
        write_judge_lineage([load_judge_lineage(part.folder) for part in parts], folder)
        checks = check_result(params, norms, folder)
        inputs = {name: each.result() for name, each in hashing.items()}
        _check_chosen(chosen_for or {}, inputs)
        provenance = {
            **{"values": params.model_dump(mode="json"), "checks": checks, "tensors": len(norms)},
            **{"inputs": inputs, "parameters": numbers, "versions": _find_versions(params)},
            **{"folded": [part.name for part in parts if part.is_adapter], "weights_sum": _describe_sum(params)},
            "command": render_command(parts, base, out),
        }
        write_json(folder / PROVENANCE_FILE, provenance)
    return provenance


def _check_base(part: JudgePart, digests: Digests) -> None:
    if find_base_digests(part) is None:
        say(
            f"{part.folder} does not say which weights it was trained on: whether {part.base} is its base is not known."
        )
    check_base_identity(part, digests)


def _check_chosen(chosen_for: Mapping[str, Digests], inputs: Mapping[str, Digests]) -> None:
    for name in sorted(chosen_for.keys() & inputs.keys()):
        before, now = chosen_for[name], inputs[name]
        odd = sorted(file for file in before.keys() | now.keys() if before.get(file) != now.get(file))
        if odd:
            whose = name if name == "base" else f"{name} judge"
            raise InputError(
                f"The {whose} is another than these values were chosen for: {odd[0]} differs.",
                "run 'judgeforge search' again, or merge without --choice; nothing was published.",
            )


def _describe_sum(params: MergeParams) -> str:
    if params.method not in ("ties", "dare_ties"):
        return "alpha and 1 - alpha sum to 1; nothing is normalised"
    if params.normalize:
        return "alpha and 1 - alpha sum to 1; where one judge's sign is elected, it counts as 1 (the TIES paper's mean)"
    return "alpha and 1 - alpha sum to 1; where one judge's sign is elected, it counts as its weight: not normalised"


def _find_versions(params: MergeParams) -> dict[str, str]:
    names = ("judgeforge", "torch", "mergekit") if params.engine == "mergekit" else ("judgeforge", "numpy")
    return {name: importlib.metadata.version(name) for name in names} | {"python": platform.python_version()}


def render_command(parts: Sequence[JudgePart], base: Path, out: Path) -> str:
    """Write the command that makes the same merge again, beside this one: ``merge.json`` brings the values."""
    judges = [word for part in parts for word in (f"--{part.name}", str(part.folder))]
    again = out.with_name(f"{out.name}-again")
    words = ["--base", str(base), *judges, "--choice", str(out / PROVENANCE_FILE), "--out", str(again)]
    return shlex.join(["python", "-m", "judgeforge.merge", *words])
