"""Which rows each process of a training learns, so that all together learn what one process alone would.

Accelerate's own sharding makes the last batches whole with rows from the beginning, which are then learnt twice.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from torch.utils.data import DataLoader, Sampler


class Order(Protocol):
    """Row numbers in the order in which they are learnt."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[int]: ...


class BatchShares(Sampler[list[int]]):
    """Cut each batch of all processes into one part a process; every process has as many batches as the others.

    Rows are dealt out like cards. A last
    batch of fewer rows than processes cannot be dealt out. Where the batch before it belongs to the same update, it
    joins that one; otherwise each process learns all of it, which weighs as much as learning it once, since the loss
    is divided by the number of tokens of the update, over all processes.

    Args:
        order: of the rows of all batches; with ``set_epoch`` where epochs differ.
        batch_size: rows a batch of one process.
        processes: how many.
        process: which, from 0.
        accumulation: batches an update.
    """

    def __init__(self, order: Order, batch_size: int, processes: int, process: int, accumulation: int) -> None:
        self._order, self._processes, self._process = order, processes, process
        self._together = batch_size * processes
        whole, rest = divmod(len(order), self._together)
        self._joins = 0 < rest < processes and whole % accumulation != 0
        self._length = whole + (rest > 0 and not self._joins)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is dealt out."""
        if hasattr(self._order, "set_epoch"):
            self._order.set_epoch(epoch)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        rows = list(self._order)
        for number in range(self._length):
            last = number == self._length - 1
            batch = rows[number * self._together : None if last else (number + 1) * self._together]
            yield batch if len(batch) < self._processes else batch[self._process :: self._processes]


class ShareLoader(DataLoader[Any]):
    """A loader whose batches are a process's share. It is not one of Accelerate's, which would cut them again."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; the Trainer calls it."""
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
