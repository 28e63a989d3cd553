"""Commands of stages: run with live output, ended with the flow; a failure is told as fault, bad input or defect."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from flows.pipeline import explain_dvc, is_busy
from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError, NotComputedError

_KEPT_LINES = 200
GRACE_S = 25.0
"""For a stage to seal its checkpoint and mark its run after SIGTERM, before SIGKILL; Prefect's own comes after 30 s."""

_BUSY_PAUSE_S, _BUSY_LIMIT_S = 1.0, 1800.0
_EXIT = re.compile(r"^ERROR: failed to reproduce .*, exited with (-?\d+)$", re.MULTILINE)
_MESSAGE = re.compile(r"^error: (.*?)(?: Remedy: (.*))?$")


class _Command(NamedTuple):
    process: subprocess.Popen[str]
    grace_s: float


_running: dict[int, _Command] = {}
_registering = threading.Lock()
_stopping = threading.Event()


class StageDefectError(JudgeforgeError):
    """A stage ended in a way that it never should; the traceback stands in its output."""

    exit_code = 1


class Finished:
    """A command that has ended.

    Args:
        code: exit status; negative: the signal that ended it.
        output: its last lines.
    """

    def __init__(self, code: int, output: str) -> None:
        self.code, self.output = code, output


def run_command(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Callable[[str], None],
    keep_open: Iterable[int] = (),
    grace_s: float = GRACE_S,
) -> Finished:
    """Run a command in a process group of its own and hand every line of its output to ``log`` as it comes.

    Args:
        command: program and arguments.
        environment: variables to add.
        log: takes one line.
        keep_open: file descriptors that the command inherits.
        grace_s: how long it has to end after SIGTERM, before SIGKILL.
    """
    running = _start(command, environment, keep_open, grace_s)
    process = running.process
    lines: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        for line in process.stdout or ():
            if text := line.rstrip():
                lines.append(text)
                log(text)
        return Finished(process.wait(), "\n".join(lines))
    except BaseException:
        _end_groups([running])
        raise
    finally:
        with _registering:
            _running.pop(process.pid, None)


def _start(
    command: Sequence[str], environment: Mapping[str, str], keep_open: Iterable[int], grace_s: float
) -> _Command:
    variables = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",  # dvc.yaml says 'python'
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "160",
        "TQDM_DISABLE": "1",  # bars of libraries would come as hundreds of lines; judgeforge shows its own progress
    }
    with _registering:
        if _stopping.is_set():
            raise EnvironmentFault(f"{command[0]} was not started: the flow is ending.", "run the flow again.")
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
            start_new_session=True,
            pass_fds=tuple(keep_open),
            env=variables | dict(environment),
        )
        running = _running[process.pid] = _Command(process, grace_s)
        return running


def run_dvc(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    log: Callable[[str], None],
    keep_open: Iterable[int] = (),
) -> Finished:
    """Run DVC as ``run_command`` does, again and again while another DVC command holds the project.

    Args:
        arguments: of ``dvc``.
        environment: variables to add.
        log: takes one line.
        keep_open: file descriptors that the command inherits.
    """
    deadline = time.monotonic() + _BUSY_LIMIT_S
    while True:
        finished = run_command([sys.executable, "-m", "dvc", *arguments], environment, log, keep_open)
        if not (finished.code and is_busy(finished.output) and time.monotonic() < deadline):
            return finished
        time.sleep(_BUSY_PAUSE_S)  # DVC waits three seconds; another stage's outputs may take it longer to hash


@contextlib.contextmanager
def ending_commands() -> Iterator[None]:
    """Allow commands inside; when an exception leaves the block, end those that still run and all that they started."""
    _stopping.clear()
    try:
        yield
    except BaseException:
        with _registering:
            _stopping.set()
            commands = list(_running.values())
        _end_groups(commands)
        raise


def is_stopping() -> bool:
    """Whether commands are being ended, so that nobody should start one again."""
    return _stopping.is_set()


def _end_groups(commands: Sequence[_Command]) -> None:
    begun = time.monotonic()
    waiting = [command for command in commands if _signal_group(command.process.pid, signal.SIGTERM)]
    while waiting:
        for command in commands:
            command.process.poll()  # a dead leader that nobody waits for would keep its group alive
        waiting = [command for command in waiting if _signal_group(command.process.pid, 0)]
        for command in [late for late in waiting if time.monotonic() - begun >= late.grace_s]:
            _signal_group(command.process.pid, signal.SIGKILL)
            waiting.remove(command)
        if waiting:
            time.sleep(0.05)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def explain_stage(stage: str, finished: Finished) -> JudgeforgeError:
    """Tell why ``dvc repro`` of a stage failed. DVC's own exit status says nothing of the stage's, its message does."""
    found = _EXIT.search(finished.output)
    if found:
        return explain_exit(stage, int(found[1]), finished.output)
    if finished.code < 0:
        return explain_exit(stage, finished.code, finished.output)
    return explain_dvc(finished.output)


def explain_exit(stage: str, code: int, output: str) -> JudgeforgeError:
    """Turn a program's exit status and output into an error.

    Args:
        stage: its name.
        code: 75 and signals are faults of the surroundings, 2 is bad input, everything else a defect.
        output: searched for the line in which the program says what is wrong.
    """
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith("ERROR: failed to reproduce")]
    said = next((match for line in reversed(lines) if (match := _MESSAGE.match(line))), None)
    problem = f"Stage {stage}: {said[1] if said else (lines or ['no message'])[-1]}"
    remedy = (said and said[2]) or "see the stage's output above."
    if code == EnvironmentFault.exit_code:
        return EnvironmentFault(problem, remedy)
    if code < 0 or code > 128:
        number = -code if code < 0 else code - 128
        return EnvironmentFault(
            f"Stage {stage} was ended by signal {number}.",
            "run again: training and judging go on where they stopped. Signal 9 often means too little memory.",
        )
    if code in (InputError.exit_code, NotComputedError.exit_code):
        return (InputError if code == InputError.exit_code else NotComputedError)(problem, remedy)
    return StageDefectError(f"{problem} (exit status {code}).", "see the traceback above, and please report it.")
