"""What the reaper touches, and what it never does."""

from datetime import UTC, datetime, timedelta

import pytest

from flows.machines.cloud import Thing, is_run_name
from flows.machines.reaping import Found, Life, decide

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("life", "expired", "touched"),
    [
        ("alive", False, False),
        ("alive", True, False),
        ("over", False, True),
        ("over", True, True),
        ("not known", False, False),
        ("not known", True, True),
        ("not a flow run", False, False),
        ("not a flow run", True, True),
    ],
)
def test_a_run_that_lives_is_never_touched_and_an_unknown_one_only_when_its_time_is_over(
    life: Life, expired: bool, touched: bool
) -> None:
    assert (decide(life, expired, guarded=False) is not None) == touched
    assert decide(life, expired, guarded=True) is None


def test_a_run_has_expired_when_the_last_of_its_things_has() -> None:
    early, late = Thing("machine", "i-1", "run", NOON - HOUR), Thing("machine", "i-2", "run", NOON + HOUR)
    assert not Found("run", (early, late), None).is_expired(NOON)
    assert Found("run", (early, late), None).is_expired(NOON + 2 * HOUR)


def test_what_bears_no_time_has_not_expired() -> None:
    assert not Found("run", (Thing("machine", "i-1", "run", None),), NOON - 100 * HOUR).is_expired(NOON)


def test_a_state_without_machines_expires_after_days() -> None:
    assert not Found("run", (), NOON - HOUR).is_expired(NOON)
    assert Found("run", (), NOON - 49 * HOUR).is_expired(NOON)


@pytest.mark.parametrize("name", ["../x", "", "abc", "a/b", ".", "x" * 65])
def test_a_tag_is_no_path(name: str) -> None:
    assert not is_run_name(name)
