"""The order of rows, drawn anew for each epoch.

transformers' own sampler draws from one generator for all epochs, which a resumed run starts again from its beginning:
it would see the first epoch's order twice. This one depends on seed and epoch alone.
"""

import random
from collections.abc import Iterator

from torch.utils.data import Sampler


class EpochOrder(Sampler[int]):
    """Yield the indices of all rows.

    Args:
        rows: their number.
        seed: of the order.
    """

    def __init__(self, rows: int, seed: int) -> None:
        self._rows, self._seed, self._epoch = rows, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is yielded."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[int]:
        indices = list(range(self._rows))
        random.Random(f"{self._seed}/{self._epoch}").shuffle(indices)
        yield from indices
