"""Programs that must not die with the flow: in a session of their own, writing to a file, asked to end by SIGINT."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from flows.machines.signals import deferring_signals
from judgeforge.errors import InputError
from judgeforge.files import load_json, write_json

_FINISH_S = 1200.0
"""For what is in flight when Terraform is asked to end: the provider waits ten minutes for a machine."""

_STARTER = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, [])
os.execvp(sys.argv[1], sys.argv[1:])
"""
# A shell starts what it puts into the background with SIGINT ignored, and programs inherit that: Terraform would never
# hear that it is to end.


@dataclass(frozen=True)
class Ended:
    """A program that has ended.

    Args:
        code: exit status; negative: the signal that ended it.
        text: what it printed.
        timed_out: whether it was asked to end because its time was over.
    """

    code: int
    text: str
    timed_out: bool = False


def start_detached(
    command: Sequence[str], folder: Path, output: Path, environment: Mapping[str, str], piped: bool = False
) -> "subprocess.Popen[bytes]":
    """Start a program in a session of its own.

    Args:
        command: program and arguments.
        folder: where it works.
        output: takes what it prints. No pipe: that would break with the flow, and the program with it.
        environment: all its variables.
        piped: whether its standard input is a pipe to this process; otherwise there is none.
    """
    with output.open("ab") as handle:
        return subprocess.Popen(
            [sys.executable, "-c", _STARTER, *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=handle,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def run_detached(
    command: Sequence[str], folder: Path, output: Path, environment: Mapping[str, str], note: Path, limit_s: float
) -> Ended:
    """Run a program to its end, even if this process is told to stop: it is asked to end, and waited for.

    Args:
        command: program and arguments.
        folder: where it works.
        output: a file for what it prints; overwritten.
        environment: all its variables.
        note: says which process it is, as long as it runs, for a process that comes after this one.
        limit_s: after so long it is asked to end.
    """
    output.write_bytes(b"")
    process = None
    timed_out = False
    try:
        process = start_detached(command, folder, output, environment)
        note_process(note, process.pid)
        try:
            process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            timed_out = True
            _let_finish(process)
    except BaseException:
        if process:
            _let_finish(process)
        raise
    finally:
        if process and process.returncode is not None:
            end_session(process.pid)
            note.unlink(missing_ok=True)
    return Ended(process.returncode, output.read_text("utf-8", errors="replace"), timed_out)


def _let_finish(process: "subprocess.Popen[bytes]") -> None:
    """Ask a program to end and wait until what it has in flight is done; then end what it may have left running."""
    with deferring_signals():
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # the leader only: Terraform tells its providers
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_FINISH_S)
        if process.poll() is None:
            end_session(process.pid)
        process.wait()


def end_session(leader: int) -> None:
    """Kill what is left of a program that has ended: a provider without its Terraform makes machines for nobody."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def stop_noted(note: Path, limit_s: float) -> None:
    """End a program that outlived the process which started it, once what it has in flight is done.

    Args:
        note: says which it is.
        limit_s: after so long it is killed.
    """
    process = find_process(note)
    if process is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(timeout=limit_s)
    end_session(process.pid)


def note_process(note: Path, pid: int) -> None:
    """Write down which process is at work; with the time of its start, since numbers come again."""
    with contextlib.suppress(psutil.NoSuchProcess):
        write_json(note, {"pid": pid, "created": psutil.Process(pid).create_time()})


def find_process(note: Path) -> psutil.Process | None:
    """Return the process that the note names, if it is still at work on this machine."""
    try:
        noted = load_json(note)
        process = psutil.Process(int(noted["pid"]))
        is_it = abs(process.create_time() - float(noted["created"])) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except (InputError, psutil.NoSuchProcess, KeyError, TypeError, ValueError):
        return None
    return process if is_it else None
