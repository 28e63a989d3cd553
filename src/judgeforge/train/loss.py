"""The loss of a packed batch: cross-entropy of completion tokens, whose logits alone are computed, some at a time."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from judgeforge.train.packing import IGNORED

_AFTER_THE_HEAD = ("final_logit_softcapping", "logit_scale", "logits_scaling")
"""What models of some families do with logits: such a model computes them itself, all at once."""


class CompletionLoss:
    """Sums cross-entropy over completion tokens.

    The vocabulary is the widest matrix of a small model, and its logits in fp32 are the largest tensor of a step. Of a
    row of 1,113 tokens (the Feedback Collection's mean), some 250 are learnt.

    Args:
        model: a causal language model; its head's input is caught on the way.
        chunk_tokens: logits of this many tokens are held at a time, and computed again in the backward pass; None: all.
        dtype: of the head's products.
    """

    def __init__(self, model: Any, chunk_tokens: int | None, dtype: torch.dtype = torch.float32) -> None:
        self._head = model.get_output_embeddings()
        in_parts = not any(getattr(model.config, name, None) for name in _AFTER_THE_HEAD)
        self._chunk_tokens = chunk_tokens if in_parts else None
        self._half = dtype == torch.bfloat16
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
        self._is_catching = self._chunk_tokens is not None and len(columns) > self._chunk_tokens
        outputs = model(**inputs, logits_to_keep=columns)
        if not self._is_catching:
            return cross_entropy(outputs.logits[0].float(), targets, reduction="sum"), outputs
        self._is_catching = False
        hidden, self._caught = self._caught, None
        assert hidden is not None and self._chunk_tokens is not None  # noqa: S101 - the head was called
        step = self._chunk_tokens
        pairs = [(hidden[:, at : at + step], targets[at : at + step]) for at in range(0, len(targets), step)]
        parts = [checkpoint(self._sum_chunk, *pair, use_reentrant=False) for pair in pairs]
        return torch.stack(parts).sum(), outputs

    def _sum_chunk(self, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        # Autocast ends with the model's own forward function.
        with torch.autocast(hidden.device.type, torch.bfloat16, enabled=self._half):
            logits = self._head(hidden)[0]
        return cross_entropy(logits.float(), targets, reduction="sum")
