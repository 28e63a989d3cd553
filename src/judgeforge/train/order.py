"""The order of rows: batches of similar length (little padding), in an order drawn anew for each epoch.

transformers' own length-grouped sampler draws from one generator for all epochs, which a resumed run starts again from
its beginning: it would see the first epoch's order twice. This one depends on seed and epoch alone.
"""

import random
from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler

_BATCHES_PER_POOL = 50


class LengthGroupedOrder(Sampler[int]):
    """Yield row indices so that consecutive ``batch_size`` rows are of similar length.

    Args:
        lengths: tokens of each row.
        batch_size: rows a step, over all devices.
        seed: of the order.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths, self._batch_size, self._seed, self._epoch = list(lengths), batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is yielded."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        rng = random.Random(f"{self._seed}/{self._epoch}")
        indices = list(range(len(self._lengths)))
        rng.shuffle(indices)
        pool = self._batch_size * _BATCHES_PER_POOL
        batches = []
        for start in range(0, len(indices), pool):
            chunk = sorted(indices[start : start + pool], key=lambda index: self._lengths[index])
            batches += [chunk[at : at + self._batch_size] for at in range(0, len(chunk), self._batch_size)]
        ragged = [batch for batch in batches if len(batch) < self._batch_size]
        whole = [batch for batch in batches if len(batch) == self._batch_size]
        rng.shuffle(whole)
        for batch in [*whole, *ragged]:
            yield from batch
