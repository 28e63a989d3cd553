"""The head's product and its loss in parts: the value and the gradients of torch's own, whatever the parts."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from judgeforge.train.loss import HeadCrossEntropy

TOKENS, WIDTH, VOCABULARY = 7, 5, 11


def draw(dtype):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(TOKENS, WIDTH, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(VOCABULARY, WIDTH, generator=generator).requires_grad_()
    return hidden, weight, torch.randint(0, VOCABULARY, (TOKENS,), generator=generator)


@pytest.mark.parametrize("chunk_tokens", [1, 3, 7, 100])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
def test_the_sum_and_its_gradients_are_those_of_whole_logits(chunk_tokens, dtype, tolerance):
    hidden, weight, targets = draw(dtype)
    ours = HeadCrossEntropy.apply(hidden, weight, targets, chunk_tokens, dtype)
    # The products of ours in bf16 are held against those in fp32.
    plain = cross_entropy(hidden.float() @ weight.t(), targets, reduction="sum")
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, plain, rtol=tolerance, atol=tolerance)
    found = torch.autograd.grad(ours * 0.37, (hidden, weight))
    expected = torch.autograd.grad(plain * 0.37, (hidden, weight))
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == theirs.dtype
        torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance)


def test_a_frozen_head_gets_no_gradient_and_a_trained_one_its_own():
    hidden, weight, targets = draw(torch.float32)
    HeadCrossEntropy.apply(hidden, weight.detach(), targets, 2, torch.float32).backward()
    assert hidden.grad is not None and weight.grad is None
    HeadCrossEntropy.apply(hidden.detach(), weight, targets, 2, torch.float32).backward()
    assert weight.grad is not None


def test_without_gradients_the_sum_is_the_same():
    hidden, weight, targets = draw(torch.float32)
    with torch.no_grad():
        measured = HeadCrossEntropy.apply(hidden, weight, targets, 2, torch.float32)
    assert not measured.requires_grad
    assert measured == HeadCrossEntropy.apply(hidden, weight, targets, 2, torch.float32).detach()


def test_logits_far_apart_give_a_finite_loss():
    hidden = torch.tensor([[300.0], [300.0]], requires_grad=True)
    weight = torch.tensor([[1.0], [-1.0]])
    total = HeadCrossEntropy.apply(hidden, weight, torch.tensor([1, 0]), 8, torch.float32)
    assert total == 600  # of the first token 600, of the second 0
    (gradient,) = torch.autograd.grad(total, hidden)
    assert gradient.squeeze(1).tolist() == [2.0, 0.0]
