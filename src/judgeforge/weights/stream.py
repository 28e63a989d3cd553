"""The streaming engine: blocks of rows go from the mapped judges through the method to their place in the output.

Each tensor is one thread's work, the largest first. Only blocks are held, whatever the size of model or tensor; a
block's place decides its random numbers, so that the number of threads changes no byte.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from judgeforge.params import MergeParams
from judgeforge.weights.drift import Norms, measure_norms, require_finite
from judgeforge.weights.floats import narrow
from judgeforge.weights.mapped import Source
from judgeforge.weights.methods import Block, Rule, build_rule
from judgeforge.weights.writer import TensorFiles, open_files

_BLOCK_NUMBERS = 1 << 17
"""Numbers of a block: half a megabyte in fp32, so that what a method holds of it stays in a core's cache."""


@dataclass(frozen=True)
class Sources:
    """What is merged.

    Args:
        direct: the direct judge.
        pairwise: the pairwise judge.
        base: their base; None where the method does without.
    """

    direct: Source
    pairwise: Source
    base: Source | None


@dataclass(frozen=True)
class _Output:
    files: TensorFiles
    dtype: str


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def stream_merge(
    params: MergeParams,
    sources: Sources,
    names: list[str],
    folder: Path,
    advance: Callable[[int], None],
    workers: int | None = None,
) -> dict[str, Norms]:
    """Merge into ``folder``.

    Args:
        params: the section ``merge``.
        sources: checked to have the same tensors.
        names: of the tensors, in the order in which they are to lie in the output.
        folder: an empty one.
        advance: told how many numbers are done, from any thread.
        workers: threads; None: as many as cores.

    Returns:
        Norms of every tensor.

    Raises:
        InputError: a judge's tensor holds NaN or infinity.
        BrokenMergeError: the merged one does.
        OSError: no room.
    """
    rule, stopped = build_rule(params), threading.Event()
    header = sources.direct.header
    with open_files(folder, {name: header[name].shape for name in names}, params.dtype) as files:
        largest_first = sorted(names, key=lambda name: -header[name].numbers)
        # BLAS's own threads would be as many again for each of ours.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers or count_cores()) as pool:
            try:
                output = _Output(files, params.dtype)
                work = {
                    name: pool.submit(_merge_tensor, name, rule, sources, output, advance, stopped)
                    for name in largest_first
                }
                wait(work.values(), return_when=FIRST_EXCEPTION)
                for failed in [each for each in work.values() if each.done() and each.exception()]:
                    failed.result()
                return {name: work[name].result() for name in names}
            except BaseException:
                stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise


def _merge_tensor(
    name: str, rule: Rule, sources: Sources, output: _Output, advance: Callable[[int], None], stopped: threading.Event
) -> Norms:
    # What is not finite is found below, and named; NumPy's warnings would come before.
    with np.errstate(over="ignore", invalid="ignore"):
        found = rule.study(lambda: _read_blocks(name, sources)) if rule.study else None
    done, norms = 0, Norms()
    for block in _read_blocks(name, sources):
        if stopped.is_set():
            break
        with np.errstate(over="ignore", invalid="ignore"):
            merged = rule.combine(block, found)
            norms += measure_norms(name, merged, block)
        rounded = narrow(merged, output.dtype)
        require_finite(name, rounded, output.dtype)
        output.files.write(name, done, rounded)
        done += merged.size
        advance(merged.size)
    return norms


def _read_blocks(name: str, sources: Sources) -> Iterator[Block]:
    place = sources.direct.header[name]
    step = max(1, _BLOCK_NUMBERS // max(place.row, 1))
    for start in range(0, place.rows, step):
        part = slice(start, min(start + step, place.rows))
        base = None if sources.base is None else sources.base.read(name, part)
        yield Block(sources.direct.read(name, part), sources.pairwise.read(name, part), base, f"{name}/{start}")
