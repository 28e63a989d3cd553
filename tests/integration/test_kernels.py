"""The CPU's attention gives what transformers' own plain attention gives, while reading and while decoding."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from judgeforge.engines.kernels import CPU_ATTENTION


def follow(folder, implementation: str, ids: torch.Tensor, mask: torch.Tensor, steps: int) -> torch.Tensor:
    """Logits of the prompt's end and of each further token, (rows, steps, vocabulary), with a cache."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=implementation).eval()
    tokens, cache, found = ids, None, []
    with torch.inference_mode():
        for step in range(steps):
            positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
            output = model(tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            found.append(output.logits[:, -1])
            tokens = torch.tensor([[3 + row + step] for row in range(len(ids))])
            mask = torch.cat([mask, torch.ones(len(ids), 1, dtype=mask.dtype)], dim=1)
    return torch.stack(found, dim=1)


@pytest.mark.parametrize("padded", [(0, 0, 0), (0, 5, 11)], ids=["one length", "left-padded"])
def test_it_equals_plain_attention(miniature, padded):
    ids = torch.randint(3, 60, (3, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    for row, count in enumerate(padded):
        mask[row, :count] = 0
    expected = follow(miniature, "eager", ids, mask, 4)
    found = follow(miniature, CPU_ATTENTION, ids, mask, 4)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_padded_token_is_never_looked_at(miniature):
    ids = torch.randint(3, 60, (1, 12), generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(ids)
    mask[0, :4] = 0
    other = ids.clone()
    other[0, :4] = 7
    assert torch.equal(follow(miniature, CPU_ATTENTION, ids, mask, 3), follow(miniature, CPU_ATTENTION, other, mask, 3))
