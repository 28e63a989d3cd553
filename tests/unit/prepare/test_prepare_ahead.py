import threading

import pytest

from judgeforge.prepare.ahead import work_ahead


def test_items_come_in_order_and_from_another_thread():
    threads = set()

    def make():
        for number in range(50):
            threads.add(threading.current_thread())
            yield number

    assert list(work_ahead(make())) == list(range(50))
    assert threading.current_thread() not in threads


def test_what_fails_there_fails_here_after_what_was_made():
    def make():
        yield 1
        raise ValueError("broken")

    taken = []
    with pytest.raises(ValueError, match="broken"):
        taken.extend(work_ahead(make()))
    items = work_ahead(make())
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    items = work_ahead(iter(range(1000)))
    assert next(items) == 0
    items.close()
    assert threading.active_count() == before
