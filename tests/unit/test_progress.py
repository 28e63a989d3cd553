"""Progress where there is no terminal: a flow's log must show that training lives, and when it will end."""

import re

import pytest

from judgeforge import progress


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(progress, "say", lines.append)
    return lines


def test_lines_tell_count_time_left_and_note(said):
    with progress.LineProgress(seconds_between_lines=0) as bar:
        task = bar.add_task("train direct", total=4, note="")
        bar.advance(task)
        bar.update(task, completed=3, note="loss 0.5")
    assert said[0].startswith("train direct: 1/4")
    assert re.fullmatch(r"train direct: 3/4(, \d+:\d\d left)?, loss 0.5", said[1])


def test_lines_are_rare(said):
    with progress.LineProgress(seconds_between_lines=3600) as bar:
        task = bar.add_task("train", total=None, note="")
        for _ in range(100):
            bar.advance(task)
    assert said == []


def test_track_yields_everything_and_needs_no_length():
    assert list(progress.track(iter("abc"), "letters")) == ["a", "b", "c"]
    assert list(progress.track([1, 2], "numbers")) == [1, 2]
