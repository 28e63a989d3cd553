"""Silence counts only while signs come through."""

from datetime import UTC, datetime, timedelta

import pytest

from flows.remote.health import covers

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([10, 40, 70, 100, 130, 160], True),
        ([10, 40, 100, 130, 160], True),  # one is missing
        ([10, 40, 130, 160], False),  # the server was away for a while
        ([100, 130, 160], False),  # it came up in the middle
        ([10, 40, 70], False),  # it is away now
        ([], False),
    ],
)
def test_signs_come_through_over_the_whole_time_or_they_say_nothing(seconds: list[int], expected: bool) -> None:
    times = [START + timedelta(seconds=second) for second in seconds]
    assert covers(times[::-1], START, START + timedelta(seconds=180)) is expected
