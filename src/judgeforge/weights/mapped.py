"""Where a merge reads weights: a folder of full ones, mapped, or one with an adapter that is folded in on the way.

A folded weight is W + s B A (arXiv 2106.09685, section 4.1), in fp32: rounded before the merge, it would be rounded
twice.
"""

import mmap
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from judgeforge.errors import EnvironmentFault
from judgeforge.files import load_json
from judgeforge.weights.adapters import PREFIX
from judgeforge.weights.floats import STORED, Floats, widen
from judgeforge.weights.headers import FLOATS, WIDTHS, Header, read_header
from judgeforge.weights.parts import ADAPTER_FILE

_LAYERS_AT_WORK = 16
"""Of each adapter: threads work on one each."""


class Source(Protocol):
    """Weights of one model."""

    header: Header

    def read(self, name: str, rows: slice) -> Floats:
        """Return rows of a tensor in fp32: (rows, numbers a row), as ``Place`` counts them; not to be written to.

        Args:
            name: of the tensor.
            rows: a part of them.
        """
        ...


class MappedFolder:
    """Weights of a folder, mapped: the kernel reads what is looked at, and drops it again when memory is short.

    Args:
        folder: of safetensors.

    Raises:
        EnvironmentFault: the system maps no more.
    """

    def __init__(self, folder: Path) -> None:
        self.header = read_header(folder)
        self._files = {path: _map(path) for path in sorted({place.path for place in self.header.values()})}

    def read(self, name: str, rows: slice) -> Floats:
        """Return rows of a tensor in fp32: (rows, numbers a row), as ``Place`` counts them."""
        place = self.header[name]
        start, stop, _ = rows.indices(place.rows)
        stored = np.frombuffer(
            self._files[place.path],
            dtype=STORED[FLOATS[place.dtype]],
            count=(stop - start) * place.row,
            offset=place.start + start * place.row * WIDTHS[place.dtype],
        )
        return widen(stored).reshape(stop - start, place.row)


def _map(path: Path) -> mmap.mmap:
    """Map a file's bytes. They stay the file's: no memory is set apart for them, as for a private map it would be."""
    try:
        with path.open("rb") as handle:
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise EnvironmentFault(
            f"{path} cannot be mapped: {error.strerror}.", "raise the limit of address space (ulimit -v)."
        ) from error
    mapped.madvise(mmap.MADV_SEQUENTIAL)
    return mapped


class AdaptedFolder:
    """A base's weights with an adapter folded in.

    Args:
        base: weights of the base, mapped.
        adapter: folder of the adapter; ``is_plain`` holds.
    """

    def __init__(self, base: MappedFolder, adapter: Path) -> None:
        self.header = base.header
        self._base, self._adapter = base, MappedFolder(adapter)
        config = load_json(adapter / ADAPTER_FILE)
        self._scale = config["lora_alpha"] / config["r"]
        # Every block of a layer needs the whole of A: that of the layers at work is kept, those of all others are not.
        self._read_down = lru_cache(maxsize=_LAYERS_AT_WORK)(lambda name: self._adapter.read(name, slice(None)))

    def read(self, name: str, rows: slice) -> Floats:
        """Return rows of a tensor in fp32: (rows, numbers a row), as ``Place`` counts them."""
        weights = self._base.read(name, rows)
        layer = PREFIX + name.removesuffix(".weight")
        if f"{layer}.lora_A.weight" not in self._adapter.header:
            return weights
        up = self._adapter.read(f"{layer}.lora_B.weight", rows)
        change = up @ self._read_down(f"{layer}.lora_A.weight")
        change *= self._scale
        change += weights
        return change
