"""bf16 and fp16 to fp32 and back, against torch, which knows them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from judgeforge.weights.floats import is_finite, narrow, widen

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def to_torch(stored, dtype):
    if stored.dtype == np.uint16:
        return torch.from_numpy(stored.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(stored)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@given(numbers=st.lists(finite, min_size=1, max_size=20))
def test_rounding_is_torchs(dtype, numbers):
    values = np.array(numbers, np.float32)
    expected = torch.from_numpy(values).to(getattr(torch, dtype))
    stored = narrow(values, dtype)
    assert torch.equal(to_torch(stored, dtype), expected)
    assert is_finite(stored) == bool(torch.isfinite(expected).all())


def test_every_number_of_bf16_and_fp16_is_widened_as_torch_does():
    bits = np.arange(1 << 16, dtype=np.uint16)
    for stored, theirs in (
        (bits, torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16)),
        (bits.view(np.float16), torch.from_numpy(bits.view(np.float16))),
    ):
        expected = theirs.float().numpy()
        np.testing.assert_array_equal(widen(stored), expected)
        whole = np.isfinite(expected)
        dtype = "bfloat16" if stored.dtype == np.uint16 else "float16"
        assert np.array_equal(narrow(expected[whole], dtype), stored[whole]), "there and back"
        assert not is_finite(stored) and is_finite(stored[whole])


def test_ties_go_to_even_and_what_is_too_large_to_infinity():
    # bf16 has 8 bits: 257 lies between 256 and 258, 259 between 258 and 260.
    assert widen(narrow(np.array([257, 259, -257], np.float32), "bfloat16")).tolist() == [256, 260, -256]
    largest = np.array([3.4e38], np.float32)
    assert widen(narrow(largest, "bfloat16")).tolist() == [float("inf")] and not is_finite(narrow(largest, "bfloat16"))
