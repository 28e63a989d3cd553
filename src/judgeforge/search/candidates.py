"""Which merges are tried, and how each becomes a judge that an engine can load."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from judgeforge.files import scratch_folder
from judgeforge.params import MergeParams, SearchParams
from judgeforge.weights.checks import check_room
from judgeforge.weights.combine import can_be_combined, write_combined_adapter
from judgeforge.weights.companions import write_companions
from judgeforge.weights.drift import check_drift
from judgeforge.weights.opening import open_sources
from judgeforge.weights.parts import JudgePart
from judgeforge.weights.stream import Sources, stream_merge

_SCALED = ("task_arithmetic", "ties", "dare_linear", "dare_ties")
_THINNED = ("ties", "dare_linear", "dare_ties")
_DRAWN = ("dare_linear", "dare_ties")
_WIDEST = 4
"""Bytes of a number at most: fp32."""


def list_candidates(params: SearchParams, merge: MergeParams) -> list[MergeParams]:
    """List the merges to try: ``merge`` itself, then the grid; equal ones once.

    Args:
        params: the section ``search``.
        merge: the section ``merge``: what is not searched keeps its value.
    """
    found = [merge]
    for method, alpha in product(params.methods, params.alphas):
        scalings = params.scalings if method in _SCALED else (1.0,)
        densities = params.densities if method in _THINNED else (1.0,)
        seeds = params.seeds if method in _DRAWN else (merge.seed,)
        for scaling, density, seed in product(scalings, densities, seeds):
            values = {"method": method, "alpha": alpha, "scaling": scaling, "density": density, "seed": seed}
            found.append(MergeParams.model_validate(merge.model_dump() | values))
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Kitchen:
    """What candidates are made of.

    Args:
        parts: the direct and the pairwise judge.
        sources: their weights; None where every candidate is an adapter.
        place: a folder for scratch; it exists.
    """

    parts: Sequence[JudgePart]
    sources: Sources | None
    place: Path

    @contextmanager
    def make(self, values: MergeParams) -> Iterator[Path]:
        """Give a folder with the judge, which is gone afterwards.

        A sum of two plain adapters is an adapter itself, of both ranks together, as exact as the merge: a few
        megabytes. All other merges are written in full.

        Args:
            values: of the merge.

        Raises:
            BrokenMergeError: its weights are unfit.
            EnvironmentFault: no room for them.
        """
        with scratch_folder(self.place, "candidate") as folder:
            if can_be_combined(values, self.parts):
                write_combined_adapter(values, self.parts, folder)
            else:
                assert self.sources is not None  # noqa: S101 - open_kitchen has opened them
                header = self.sources.direct.header
                norms = stream_merge(values, self.sources, sorted(header), folder, lambda _: None)
                check_drift(norms, values.alpha)
                write_companions(self.parts[0], values.dtype, folder)
            yield folder


@contextmanager
def open_kitchen(
    parts: Sequence[JudgePart], base: Path, candidates: Sequence[MergeParams], place: Path
) -> Iterator[Kitchen]:
    """Open the judges' weights once for all candidates that have to be written in full, where there are any.

    Args:
        parts: the direct and the pairwise judge; ``check_judges`` has passed them.
        base: their base.
        candidates: that will be made.
        place: a folder for scratch; it exists.

    Raises:
        InputError: an adapter does not fold into its base.
        EnvironmentFault: no room for a candidate.
    """
    if all(can_be_combined(values, parts) for values in candidates):
        opened: AbstractContextManager[Sources | None] = nullcontext()
    else:
        numbers = sum(each.numbers for each in parts[0].read_header().values())
        check_room(place / "candidate", numbers, _WIDEST)
        needs_base = any(values.needs_base() for values in candidates)
        opened = open_sources(parts, base, place, needs_base=needs_base)
    with opened as sources:
        yield Kitchen(parts, sources, place)
