"""Which rows each process learns, and that together they weigh as much as in one process."""

from collections import Counter

import pytest

from judgeforge.train.shares import BatchShares


def deal(rows: int, batch_size: int, processes: int, accumulation: int) -> list[list[list[int]]]:
    """Per process the batches."""
    return [
        list(BatchShares(range(rows), batch_size, processes, process, accumulation)) for process in range(processes)
    ]


@pytest.mark.parametrize("rows", range(1, 30))
@pytest.mark.parametrize(("batch_size", "processes", "accumulation"), [(2, 1, 1), (1, 2, 2), (2, 3, 1), (2, 3, 4)])
def test_an_update_learns_the_rows_that_one_process_would(rows, batch_size, processes, accumulation):
    dealt = deal(rows, batch_size, processes, accumulation)
    assert len({len(batches) for batches in dealt}) == 1, "who has a batch fewer lets the others wait for ever"
    assert all(batch for batches in dealt for batch in batches)
    assert len(dealt[0]) == len(BatchShares(range(rows), batch_size, processes, 0, accumulation))
    (alone,) = deal(rows, batch_size * processes, 1, accumulation)
    updates = range(0, len(alone), accumulation)
    assert len(range(0, len(dealt[0]), accumulation)) == len(updates), "one as many as the schedule has"
    for update in updates:
        part = slice(update, update + accumulation)
        learnt = Counter(row for batches in dealt for batch in batches[part] for row in batch)
        once = Counter(row for batch in alone[part] for row in batch)
        assert learnt.keys() == once.keys()
        assert len(set(learnt.values())) == 1, "all rows of an update weigh the same"


def test_neighbours_are_dealt_out():
    assert deal(8, 2, 2, 1) == [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]


def test_validation_adds_all_batches_up_as_one():
    dealt = deal(5, 2, 2, 6)
    assert sorted(row for batches in dealt for batch in batches for row in batch) == [0, 1, 2, 3, 4]
