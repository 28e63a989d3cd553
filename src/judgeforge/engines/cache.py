"""A key and value cache for decoding many rows: it leaves room for the next tokens, and rows come and go.

transformers' own layers copy the whole cache at every token; here a token is written where room was left for it.
"""

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from judgeforge.errors import InputError

_ROOM = 64


class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer whose keys and values, (rows, heads, tokens, size), are views into larger buffers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._buffers: list[torch.Tensor] = []

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append the states of new tokens; return those of all tokens."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if not self._buffers or end > self._buffers[0].shape[-2]:
            fresh = (key_states[..., :0, :], value_states[..., :0, :])
            self._allot(tuple(buffer[..., :start, :] for buffer in self._buffers) or fresh, end)
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., start:end, :] = states
        return self._show(end)

    def select(self, rows: torch.Tensor, first: int) -> None:
        """Keep ``rows`` (indices, repeated ones too), without their first tokens."""
        kept = tuple(buffer[rows, :, first : self.get_seq_length()] for buffer in self._buffers)
        self._allot(kept, kept[0].shape[-2])

    def join(self, other: "RoomyLayer") -> None:
        """Append the rows of ``other``, which has as many tokens or fewer; zeros stand before its own."""
        length, short = self.get_seq_length(), other.get_seq_length()
        kept = []
        for own, new in zip(self._buffers, other._buffers, strict=True):
            padding = new.new_zeros((*new.shape[:2], length - short, new.shape[3]))
            kept.append(torch.cat([own[..., :length, :], torch.cat([padding, new[..., :short, :]], dim=2)]))
        self._allot(tuple(kept), length)

    def _allot(self, states: tuple[torch.Tensor, ...], length: int) -> None:
        buffers = []
        for each in states:
            buffer = each.new_empty((*each.shape[:2], length + _ROOM, each.shape[3]))
            buffer[..., : each.shape[2], :] = each
            buffers.append(buffer)
        self._buffers = buffers
        self._show(states[0].shape[2])

    def _show(self, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = (buffer[..., :length, :] for buffer in self._buffers)
        self.keys, self.values = keys, values
        return keys, values


def build_cache(model: Any) -> DynamicCache:
    """Build an empty cache for ``model``; a sliding window is then a matter of the mask alone.

    Raises:
        InputError: the model keeps something else than keys and values.
    """
    cache = DynamicCache(config=model.config)
    if not all(isinstance(layer, DynamicLayer) for layer in cache.layers):
        raise InputError(
            f"Models of type {model.config.model_type!r} have layers without keys and values.",
            "take another base model, or judge with evaluate.engine vllm.",
        )
    cache.layers = [RoomyLayer() for _ in cache.layers]
    return cache
