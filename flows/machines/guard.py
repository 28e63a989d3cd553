"""A process beside the flow that ends the run's machines when the flow is done, or gone: ``kill -9`` tells nobody else.

The flow holds the other end of its standard input. ``python -m flows.machines.guard FOLDER``, started by the flow only.
"""

import contextlib
import logging
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.machines.closing import MachinesLeftError, close_run
from flows.machines.detached import find_process, note_process, start_detached
from flows.machines.opening import open_cloud
from flows.machines.signals import deferring_signals
from flows.machines.site import Site, parse_site
from flows.machines.terraform import DESCRIPTION, Log, Terraform
from flows.machines.variables import build_any_variables
from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError
from judgeforge.files import load_json, write_json
from judgeforge.params import RunnerParams

RUNS = Path(".judgeforge/machines")
_NOTE, _FAILURE, _LOG = "guard.json", "failure.json", "closing.log"
_LOOK_S = 1.0
_EARLIER_S = 1800.0
"""For the machines of an earlier try of the same run to be gone."""


@contextlib.contextmanager
def guarding(settings: RunnerParams, site: Site, run: str, patience_s: float, log: Log) -> Iterator[Path]:
    """Give the run's folder, and have the run's machines ended afterwards, whatever happens to this process.

    Args:
        settings: of the recipe.
        site: the account.
        run: whose machines.
        patience_s: how long a provider that does not answer is waited for.
        log: takes what a person should know.

    Raises:
        MachinesLeftError: they could not be ended. What left the block otherwise is its cause; where that is no
            ``Exception`` (Ctrl-C), it is raised itself, and the failure to close is logged.
    """
    folder = RUNS / run
    _wait_for_earlier(folder, log)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _FAILURE).unlink(missing_ok=True)
    described = {"settings": settings.model_dump(mode="json"), "site": site.model_dump(mode="json")}
    write_json(folder / DESCRIPTION, described | {"run": run, "patience_s": patience_s})
    command = [sys.executable, "-m", "flows.machines.guard", str(folder)]
    guard = start_detached(command, Path.cwd(), folder / _LOG, os.environ, piped=True)
    try:
        note_process(folder / _NOTE, guard.pid)
        yield folder
    except Exception as error:
        _close(guard, folder, log, error)
        raise
    except BaseException as error:
        try:
            _close(guard, folder, log, error)
        except JudgeforgeError as failure:
            log.error("%s", failure)
        raise
    else:
        _close(guard, folder, log, None)


def _close(guard: "subprocess.Popen[bytes]", folder: Path, log: Log, cause: BaseException | None) -> None:
    """Tell the guard that the flow is done, and wait until it has ended the machines; show what it says meanwhile."""
    with deferring_signals():
        log.info("The machines of run %s are being ended.", folder.name)
        with (folder / _LOG).open(encoding="utf-8", errors="replace") as said:
            if guard.stdin:
                guard.stdin.close()
            while True:
                code = guard.poll()  # before the reading, so that nothing said at the end is missed
                for line in said:
                    level, _, text = line.rstrip().partition(" ")
                    log.log(logging.getLevelNamesMapping().get(level, logging.INFO), "%s", text)
                if code is not None:
                    break
                time.sleep(0.1)
        if code == 0:
            return
        try:
            failure = load_json(folder / _FAILURE)
        except InputError:
            log.warning("The guard of run %s ended with status %d; its work is done here.", folder.name, code)
            close_folder(folder, log)
            return
        kind = MachinesLeftError if failure["left"] else EnvironmentFault
        raise kind(failure["problem"], failure["remedy"]) from cause


def is_guarded(folder: Path) -> bool:
    """Whether a flow or its guard is at work on the run of this folder."""
    return find_process(folder / _NOTE) is not None


def _wait_for_earlier(folder: Path, log: Log) -> None:
    deadline = time.monotonic() + _EARLIER_S
    if is_guarded(folder):
        log.info("The machines of an earlier try of run %s are being ended; waiting for that.", folder.name)
    while is_guarded(folder):
        if time.monotonic() > deadline:
            raise EnvironmentFault(
                f"The machines of an earlier try of run {folder.name} are still being ended.",
                f"read {folder / _LOG}, and wait for the process that {folder / _NOTE} names.",
            )
        time.sleep(_LOOK_S)


def close_folder(folder: Path, log: Log) -> None:
    """End the machines of the run that a folder describes, and remove the folder.

    Raises:
        JudgeforgeError: as ``close_run``; the folder stays.
    """
    described: dict[str, Any] = load_json(folder / DESCRIPTION)
    site, settings = (
        parse_site(described["site"], str(folder / DESCRIPTION)),
        RunnerParams.model_validate(described["settings"]),
    )
    end_run(settings, site, described["run"], folder, described["patience_s"], log)


def end_run(settings: RunnerParams, site: Site, run: str, folder: Path, patience_s: float, log: Log) -> None:
    """End the machines of a run, and remove its folder.

    Raises:
        JudgeforgeError: as ``close_run``; the folder stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    terraform = Terraform(site, run, folder, patience_s, log)
    variables = build_any_variables(settings, site, run)
    close_run(terraform, variables, open_cloud(settings.provider, site), run, folder, patience_s, log)
    shutil.rmtree(folder, ignore_errors=True)


def main(folder: Path) -> int:
    """Wait until the flow closes the pipe or is gone, then end the machines. Nothing but SIGKILL breaks that off."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stdout)
    log = logging.getLogger("flows.machines")
    log.setLevel(logging.INFO)
    parent = os.getppid()
    while os.getppid() == parent:  # a pipe that a child of the flow holds, too, does not close with the flow
        if select.select([sys.stdin], [], [], _LOOK_S)[0] and not os.read(sys.stdin.fileno(), 1):
            break
    try:
        close_folder(folder, log)
    except JudgeforgeError as error:
        failure = {"problem": error.problem, "remedy": error.remedy, "left": isinstance(error, MachinesLeftError)}
        write_json(folder / _FAILURE, failure)
        log.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
