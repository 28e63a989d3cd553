"""A batch's rows laid end to end in one sequence: nothing is padded, and attention keeps each row to itself.

An update still learns from ``batch_size`` rows, as the paper's does: rows are packed to save arithmetic, not to change
what is learnt.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

IGNORED = -100
"""The label that transformers' losses leave out."""

FILLER = "filler_tokens"
_WIDTH_STEP = 64
"""Packed lengths are multiples of this: kernels are prepared for each length, and memory grows with their number."""


class PackingCollator:
    """Lay rows end to end.

    Args:
        filler_id: any token; what fills the last places is a row of its own, of which nothing is learnt.
    """

    def __init__(self, filler_id: int) -> None:
        self._filler_id = filler_id

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Pack ``rows``.

        Args:
            rows: each ``input_ids`` and ``completion_length``, the number of them, at the end, that are learnt.

        Returns:
            ``input_ids``, ``position_ids`` (from 0 in each row) and ``labels``, each (1, tokens); ``row_lengths`` and
            ``row_ends``, which attention is kept within; and how many tokens at the end are filler.
        """
        parts = [np.asarray(row["input_ids"], dtype=np.int64) for row in rows]
        lengths = [len(part) for part in parts]
        labels = [np.full(length, IGNORED, dtype=np.int64) for length in lengths]
        for part, label, row in zip(parts, labels, rows, strict=True):
            label[-row["completion_length"] :] = part[-row["completion_length"] :]
        if filler := -sum(lengths) % _WIDTH_STEP:
            lengths.append(filler)
            parts.append(np.full(filler, self._filler_id, dtype=np.int64))
            labels.append(np.full(filler, IGNORED, dtype=np.int64))
        positions = [np.arange(length) for length in lengths]
        packed = {"input_ids": parts, "position_ids": positions, "labels": labels}
        tensors = {name: torch.from_numpy(np.concatenate(each)).unsqueeze(0) for name, each in packed.items()}
        ends = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
        return {**tensors, "row_lengths": lengths, "row_ends": ends, FILLER: filler}
