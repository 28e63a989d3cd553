"""Writes safetensors whose sizes are known beforehand: each tensor goes to its place in the file, by any thread."""

import json
import math
import os
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from judgeforge.files import write_json
from judgeforge.weights.floats import Stored
from judgeforge.weights.headers import FLOATS, INDEX_FILE, WIDTHS

SHARD_BYTES = 5_000_000_000
"""Of one file, as transformers has it: larger ones are awkward to upload."""
_ALIGNMENT = 8
_PAUSE = 0.1
"""Seconds between two orders to write to the disk."""
_NAMES = {dtype: name for name, dtype in FLOATS.items()}
"""By torch's names of dtypes: safetensors'."""


class TensorFiles:
    """Files of one model.

    Args:
        folder: it exists.
        shapes: by tensor name, in the order in which they are to lie.
        dtype: of all.
        shard_bytes: of one file at most, but for a single tensor that is larger.
    """

    def __init__(self, folder: Path, shapes: dict[str, tuple[int, ...]], dtype: str, shard_bytes: int) -> None:
        self._name, self._width = _NAMES[dtype], WIDTHS[_NAMES[dtype]]
        self._places: dict[str, tuple[int, int]] = {}
        self._handles: list[int] = []
        self._fault: OSError | None = None
        shards = list(_split(shapes, self._width, shard_bytes))
        names = [f"model-{number:05}-of-{len(shards):05}.safetensors" for number in range(1, len(shards) + 1)]
        names = names if len(shards) > 1 else ["model.safetensors"]
        try:
            for name, shard in zip(names, shards, strict=True):
                self._open(folder / name, shard)
        except BaseException:
            self.close()
            raise
        if len(shards) > 1:
            total = sum(map(math.prod, shapes.values())) * self._width
            found = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
            write_json(folder / INDEX_FILE, {"metadata": {"total_size": total}, "weight_map": found})

    def _open(self, path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
        described: dict[str, dict[str, Any]] = {}
        end = 0
        for name, shape in shapes.items():
            start, end = end, end + math.prod(shape) * self._width
            described[name] = {"dtype": self._name, "shape": list(shape), "data_offsets": [start, end]}
        text = json.dumps({"__metadata__": {"format": "pt"}} | described, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._handles.append(handle)
        # A full disk shows here, before anything is computed.
        os.posix_fallocate(handle, 0, 8 + len(text) + end)
        os.pwrite(handle, struct.pack("<Q", len(text)) + text, 0)
        for name, each in described.items():
            self._places[name] = handle, 8 + len(text) + each["data_offsets"][0]

    def write(self, name: str, first: int, numbers: Stored) -> None:
        """Write some of a tensor's numbers.

        Args:
            name: of the tensor.
            first: the place of the first of them in the flat tensor.
            numbers: of the files' dtype, as it is stored.
        """
        handle, start = self._places[name]
        data = np.ascontiguousarray(numbers).reshape(-1).view(np.uint8).data
        at = start + first * self._width
        while data:
            written = os.pwrite(handle, data, at)
            data, at = data[written:], at + written

    def sync(self) -> None:
        """Wait until all is on the disk.

        Raises:
            OSError: it is not.
        """
        for handle in self._handles:
            os.fsync(handle)
        # The system tells of a fault once, to whoever asks first.
        if self._fault is not None:
            raise self._fault

    def sync_until(self, done: threading.Event) -> None:
        """Send what is written to the disk again and again, so that little is left to wait for at the end."""
        while not done.wait(_PAUSE):
            try:
                for handle in self._handles:
                    os.fdatasync(handle)
            except OSError as error:
                self._fault = error
                return

    def close(self) -> None:
        """Close the files."""
        for handle in self._handles:
            os.close(handle)
        self._handles.clear()


@contextmanager
def open_files(
    folder: Path, shapes: dict[str, tuple[int, ...]], dtype: str, shard_bytes: int = SHARD_BYTES
) -> Iterator[TensorFiles]:
    """Open the files of a model, and see to it that they are on the disk at the end.

    Args:
        folder: it exists.
        shapes: by tensor name.
        dtype: of all.
        shard_bytes: of one file at most, but for a single tensor that is larger.

    Raises:
        OSError: no room.
    """
    files, done = TensorFiles(folder, shapes, dtype, shard_bytes), threading.Event()
    # A daemon, and told to end whatever happens: a signal may come at any line, and nobody shall wait for the thread.
    syncing = threading.Thread(target=files.sync_until, args=(done,), daemon=True)
    try:
        syncing.start()
        yield files
        done.set()
        syncing.join()
        files.sync()
    finally:
        done.set()
        if syncing.ident is not None:
            syncing.join()
        files.close()


def _split(shapes: dict[str, tuple[int, ...]], width: int, most: int) -> Iterable[dict[str, tuple[int, ...]]]:
    shard: dict[str, tuple[int, ...]] = {}
    size = 0
    for name, shape in shapes.items():
        tensor = math.prod(shape) * width
        if shard and size + tensor > most:
            yield shard
            shard, size = {}, 0
        shard[name] = shape
        size += tensor
    yield shard
