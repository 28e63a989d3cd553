"""Headers of safetensors: what is read, and what is refused by name."""

import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from judgeforge.errors import InputError
from judgeforge.weights.headers import read_header
from judgeforge.weights.mapped import MappedFolder


def write(folder, described, data=b"", pad=0):
    text = json.dumps(described).encode() + b" " * pad
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def describe(shape=(2, 3), dtype="F32", offsets=(0, 24)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_what_the_library_writes_is_read(tmp_path):
    tensors = {
        "a": torch.arange(6.0).view(2, 3),
        "b": torch.tensor(7.0),
        "c": torch.zeros(0, 4),
        "d": torch.ones(2, 1, 3),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    mapped = MappedFolder(tmp_path)
    assert {name: (place.rows, place.row) for name, place in mapped.header.items()} == {
        **{"a": (2, 3), "b": (1, 1), "c": (0, 4), "d": (2, 3)}
    }
    for name, tensor in tensors.items():
        assert mapped.read(name, slice(None)).flatten().tolist() == tensor.flatten().tolist()
    assert mapped.read("a", slice(1, 2)).tolist() == [[3.0, 4.0, 5.0]]


def test_a_file_that_is_not_aligned_is_read(tmp_path):
    numbers = torch.arange(6.0)
    described = {"a": describe()}
    pad = next(pad for pad in range(4) if (8 + len(json.dumps(described)) + pad) % 4 == 1)
    write(tmp_path, described, numbers.numpy().tobytes(), pad)
    assert MappedFolder(tmp_path).read("a", slice(None)).flatten().tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("described", "complaint"),
    [
        ({"a": describe(shape=(2, 2))}, r"a is said to be F32 \[2, 2\], and has 24 bytes"),
        ({"a": describe(dtype="BF16")}, r"a is said to be BF16 \[2, 3\], and has 24 bytes"),
        ({"a": describe(offsets=(8, 32))}, "cut off in a"),
        ({"a": describe(offsets=(-8, 16))}, "cut off or not safetensors"),
        ({"a": describe(shape=(2, -3))}, "cut off or not safetensors"),
        ({"a": {"dtype": "F32", "shape": [6]}}, "cut off or not safetensors"),
        ({"a": 3}, "cut off or not safetensors"),
        ([1], "cut off or not safetensors"),
    ],
)
def test_headers_that_cannot_be_are_refused(described, complaint, tmp_path):
    write(tmp_path, described, bytes(24))
    with pytest.raises(InputError, match=complaint):
        read_header(tmp_path)


@pytest.mark.parametrize("index", ["[]", "{}", '{"weight_map": {"a": 3}}'])
def test_an_index_without_files_is_refused(index, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(InputError, match="has no weight_map"):
        read_header(tmp_path)
