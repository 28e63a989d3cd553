"""The loss of a packed batch: cross-entropy of completion tokens, whose logits alone are computed, some at a time."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from judgeforge.train.packing import IGNORED

_AFTER_THE_HEAD = ("final_logit_softcapping", "logit_scale", "logits_scaling")
"""What models of some families do with logits: such a model computes them itself, all at once."""


class CompletionLoss:
    """Sums cross-entropy over completion tokens.

    The vocabulary is the widest matrix of a small model, and its logits in fp32 are the largest tensor of a step. Of a
    row of 1,113 tokens (the Feedback Collection's mean), some 250 are learnt.

    Args:
        model: a causal language model; its head's input is caught on the way.
        chunk_tokens: logits of this many tokens are held at a time; None: the model computes them itself, all at once.
        dtype: of the head's products.
    """

    def __init__(self, model: Any, chunk_tokens: int | None, dtype: torch.dtype = torch.float32) -> None:
        self._head = model.get_output_embeddings()
        self._chunk_tokens = chunk_tokens if _can_be_split(self._head, model.config) else None
        self._dtype = dtype
        self._caught: torch.Tensor | None = None
        self._is_catching = False
        if self._chunk_tokens is not None:
            self._head.register_forward_pre_hook(self._catch)

    def _catch(self, _module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        if not self._is_catching:
            return None
        self._caught = inputs[0]
        return (inputs[0][:, :1],)  # the model's own logits, of which nobody asks

    def compute(self, model: Any, inputs: dict[str, Any], labels: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """Run the model.

        Args:
            model: what wraps the model of the constructor.
            inputs: of the model: a packed batch without its labels and its count of filler.
            labels: (1, tokens).

        Returns:
            The sum over completion tokens, in fp32, and the model's output.
        """
        columns = (labels[0, 1:] != IGNORED).nonzero().squeeze(1)
        # Column i predicts token i + 1.
        targets = labels[0, columns + 1]
        self._is_catching = self._chunk_tokens is not None
        outputs = model(**inputs, logits_to_keep=columns)
        if not self._is_catching:
            return cross_entropy(outputs.logits[0].float(), targets, reduction="sum"), outputs
        self._is_catching = False
        hidden, self._caught = self._caught, None
        assert hidden is not None  # noqa: S101 - the head was called
        total: torch.Tensor = HeadCrossEntropy.apply(
            hidden[0], self._head.weight, targets, self._chunk_tokens, self._dtype
        )  # type: ignore[no-untyped-call]
        return total, outputs


class HeadCrossEntropy(torch.autograd.Function):
    """The head's product and the cross-entropy of its logits, summed; its gradients are made while logits are at hand.

    So logits are made once and kept for no backward pass; the way is that of Liger Kernel (arXiv 2410.10989, section
    3.2), whose kernels are for GPUs.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        targets: torch.Tensor,
        chunk_tokens: int,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        """Return the sum in fp32.

        Args:
            ctx: autograd's.
            hidden: (tokens, width).
            weight: of the head, (vocabulary, width).
            targets: (tokens,).
            chunk_tokens: logits of this many tokens are held at a time.
            dtype: of the products; the softmax is in fp32.
        """
        head = weight.to(dtype)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        of_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        of_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for start in range(0, len(targets), chunk_tokens):
            part = hidden[start : start + chunk_tokens].to(dtype)
            answers = targets[start : start + chunk_tokens].unsqueeze(1)
            logarithms = (part @ head.t()).float().log_softmax(-1)
            total -= logarithms.gather(1, answers).sum()
            # The gradient of a logit: its probability, less one for the answer.
            of_logits = logarithms.exp_().scatter_add_(1, answers, -torch.ones_like(answers, dtype=torch.float32))
            of_logits = of_logits.to(dtype)
            if of_hidden is not None:
                of_hidden[start : start + chunk_tokens] = of_logits @ head
            if of_weight is not None:
                of_weight += of_logits.t() @ part
        ctx.save_for_backward(of_hidden, of_weight)
        ctx.dtype = weight.dtype
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of hidden and weight: what the forward pass made, times that of the sum."""
        (came,) = gradients
        of_hidden, of_weight = ctx.saved_tensors
        return (
            None if of_hidden is None else of_hidden * came,
            None if of_weight is None else of_weight.mul_(came).to(ctx.dtype),
            *(None, None, None),
        )


def _can_be_split(head: Any, config: Any) -> bool:
    changed = any(getattr(config, name, None) for name in _AFTER_THE_HEAD)
    return type(head) is torch.nn.Linear and head.bias is None and not changed
