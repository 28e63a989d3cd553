"""How programs end that do not end well, by whichever of the two ways they were started."""

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

import judgeforge.cli
from judgeforge.stage import run_stage


def exhaust() -> NoReturn:
    raise MemoryError


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()


@pytest.fixture(autouse=True)
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "argv", ["judgeforge"])
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(params=["stage", "command line"])
def start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "stage":
        return run_stage

    def run(program: Any) -> None:
        monkeypatch.setattr(judgeforge.cli, "build_app", lambda arguments: lambda **options: program())
        judgeforge.cli.main()

    return run


def test_a_machine_without_memory_left_is_told_in_one_line(start: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        start(exhaust)
    assert caught.value.code == 75
    assert capsys.readouterr().err.startswith("error: The machine ran out of memory.")


def test_a_termination_closes_what_is_open(start: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        start(be_killed)
    assert caught.value.code == 128 + signal.SIGTERM
