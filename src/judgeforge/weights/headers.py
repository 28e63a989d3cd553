"""Safetensors without their weights: which tensors a folder has, of what shape and dtype, and where they lie.

The header is read here, not by the library, so that a file that is cut off can name the tensor where it ends, weights
can be mapped without a copy, and a merge waits for no torch. Format: 8 bytes of length, JSON, then the
tensors' bytes (docs of safetensors, version 0.4 and later).
"""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judgeforge.errors import InputError
from judgeforge.files import load_json

INDEX_FILE = "model.safetensors.index.json"
FLOATS = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
"""What can be merged: safetensors' names, and torch's."""
WIDTHS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 8),
}
"""Bytes of a number, by safetensors' names."""
_LENGTH, _LONGEST = 8, 100_000_000
"""Bytes of the header's length, and the longest header that the library reads."""
_REMEDY = "train or fetch that model again."


@dataclass(frozen=True)
class Place:
    """One tensor of a file.

    Args:
        path: the file.
        dtype: by safetensors' name.
        shape: sizes.
        start: its first byte in the file.
        end: the byte after its last.
    """

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def numbers(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def row(self) -> int:
        """How many numbers one of its rows has: the last dimension, where there are two or more."""
        return self.shape[-1] if len(self.shape) > 1 else 1

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.numbers // self.row if self.row else 0

    def describe(self) -> str:
        """Name dtype and shape."""
        return f"{self.dtype} {list(self.shape)}"


Header = dict[str, Place]
"""By tensor name."""


def read_header(folder: Path) -> Header:
    """Read where all tensors in ``folder`` are, without their weights.

    Raises:
        InputError: there are no safetensors, a file is cut off or broken, or one of the index is missing.
    """
    files = sorted(folder.glob("*.safetensors"))
    if (folder / INDEX_FILE).is_file():
        files = _read_index(folder / INDEX_FILE)
    if not files:
        raise InputError(f"There are no safetensors in {folder}.", "train that judge first.")
    header: Header = {}
    for path in files:
        for name, place in _read_file(path).items():
            if name in header:
                raise InputError(f"{name} is in both {header[name].path} and {path}.", "remove the file that is old.")
            header[name] = place
    return header


def _read_index(path: Path) -> list[Path]:
    index = load_json(path)
    found = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise InputError(f"{path} has no weight_map of tensors to files.", _REMEDY)
    return [path.parent / name for name in sorted(set(found.values()))]


def _read_file(path: Path) -> Header:
    if not path.is_file():
        raise InputError(f"{path} is missing, which {INDEX_FILE} names.", "fetch or train that model again.")
    size = path.stat().st_size
    broken = InputError(f"{path} is cut off or not safetensors.", _REMEDY)
    with path.open("rb") as handle:
        start = handle.read(_LENGTH)
        length = struct.unpack("<Q", start)[0] if len(start) == _LENGTH else _LONGEST + 1
        if length > min(_LONGEST, size):
            raise broken
        try:
            described: dict[str, Any] = json.loads(handle.read(length))
            described.pop("__metadata__", None)
            places = {name: _read_place(path, each, _LENGTH + length) for name, each in described.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise broken from error
    for name, place in sorted(places.items(), key=lambda each: each[1].start):
        if place.end > size:
            raise InputError(f"{path} is cut off in {name}.", _REMEDY)
        _check_place(name, place, _LENGTH + length)
    return places


def _read_place(path: Path, described: dict[str, Any], first: int) -> Place:
    begin, end = described["data_offsets"]
    shape = tuple(described["shape"])
    if not all(type(each) is int and each >= 0 for each in (begin, end, *shape)):
        raise ValueError("sizes and offsets are whole numbers from 0")
    return Place(path, str(described["dtype"]), shape, first + begin, first + end)


def _check_place(name: str, place: Place, first: int) -> None:
    """See that a tensor's bytes are as many as its shape and dtype say: what is read there would be something else."""
    width = WIDTHS.get(place.dtype)
    if place.start < first or (width is not None and place.end - place.start != place.numbers * width):
        raise InputError(
            f"{place.path}: {name} is said to be {place.describe()}, and has {place.end - place.start} bytes.",
            _REMEDY,
        )


def check_floats(name: str, header: Header) -> None:
    """Check that all tensors are of a dtype that can be merged.

    Args:
        name: of the model, for the message.
        header: its tensors.

    Raises:
        InputError: one is not; it is named.
    """
    for tensor, place in header.items():
        if place.dtype not in FLOATS:
            raise InputError(
                f"{tensor} of {name} is {place.dtype}, which cannot be averaged.",
                f"merge weights in {', '.join(FLOATS.values())}: quantise the merged judge instead.",
            )
