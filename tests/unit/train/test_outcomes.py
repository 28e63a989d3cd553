"""What several processes' ends mean for the run."""

import pytest

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.train.outcomes import FOLDER_VARIABLE, Outcome, leave_outcome, load_outcomes, raise_outcome

GOOD, DEFECT, TOLD_TO_END = Outcome(0), Outcome(1), Outcome(143)
BAD_INPUT, SAVED = Outcome(2, "bad row.", "mend it."), Outcome(75, "saved.", "run again.")
SIGTERM = 15


@pytest.mark.parametrize(
    ("outcomes", "number", "code"),
    [
        ({0: GOOD, 1: GOOD}, None, 0),
        ({0: GOOD, 1: GOOD}, SIGTERM, 0),
        ({0: SAVED, 1: SAVED}, SIGTERM, 75),
        ({0: SAVED, 1: TOLD_TO_END}, SIGTERM, 75),
        ({0: SAVED, 1: BAD_INPUT}, None, 2),
        ({0: TOLD_TO_END, 1: BAD_INPUT}, None, 2),
        ({0: SAVED, 1: DEFECT}, None, 1),
        ({0: SAVED}, None, 75),
        ({0: TOLD_TO_END}, None, 75),
        ({0: DEFECT}, None, 1),
        ({}, SIGTERM, 143),
        ({0: TOLD_TO_END}, SIGTERM, 143),
        ({0: TOLD_TO_END, 1: TOLD_TO_END}, SIGTERM, 143),
    ],
)
def test_the_run_ends_as_its_processes_did(outcomes, number, code):
    try:
        raise_outcome(outcomes, range(2), number)
    except (InputError, EnvironmentFault) as error:
        assert error.exit_code == code
    except SystemExit as stop:
        assert stop.code == code
    else:
        assert code == 0


def test_a_killed_process_is_named():
    with pytest.raises(EnvironmentFault, match="process 1 of 2 on this machine was killed"):
        raise_outcome({0: SAVED}, range(2), None)


def leave(error, folder, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    try:
        with leave_outcome(3):
            if error:
                raise error
    except BaseException as raised:
        return raised, load_outcomes(folder)[3]
    return None, load_outcomes(folder)[3]


def test_a_process_leaves_word_and_is_silent(tmp_path, monkeypatch):
    raised, outcome = leave(InputError("bad row.", "mend it."), tmp_path, monkeypatch)
    assert isinstance(raised, SystemExit) and outcome == BAD_INPUT
    assert leave(None, tmp_path, monkeypatch) == (None, GOOD)
    raised, outcome = leave(SystemExit(143), tmp_path, monkeypatch)
    assert outcome == TOLD_TO_END


def test_a_lost_connection_is_told_from_a_defect(tmp_path, monkeypatch):
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:2345\nmore")
    raised, outcome = leave(lost, tmp_path, monkeypatch)
    assert outcome.code == 75 and "process 3 lost the others" in outcome.problem
    raised, outcome = leave(RuntimeError("shapes do not fit"), tmp_path, monkeypatch)
    assert isinstance(raised, RuntimeError) and outcome == DEFECT


def test_without_the_launcher_a_process_says_it_itself(monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    with pytest.raises(InputError), leave_outcome(0):
        raise InputError("bad row.", "mend it.")
