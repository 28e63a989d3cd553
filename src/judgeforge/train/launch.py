"""Starts a training's processes with torchrun, on this machine or as one machine of several, and ends as they end."""

import ctypes
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.params import DistributionParams
from judgeforge.train.hosts import find_node_rank, load_hosts
from judgeforge.train.outcomes import FOLDER_VARIABLE, end_processes, load_outcomes, raise_outcome

_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)
"""Handed on to the processes. A second one ends them at once, and a third kills those that hang."""
_SAVING_S = 1800
"""After a signal the processes get this long to end their update and save a checkpoint."""
_PR_SET_PDEATHSIG = 1
"""Of Linux's prctl."""


def is_started() -> bool:
    """Tell whether torchrun, or what speaks as it does, has started this process as one of a training's."""
    return {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()


def needs_launch(distribution: DistributionParams) -> bool:
    """Tell whether this process has to start the training's processes, not being one of them."""
    return (distribution.world_size > 1 or distribution.engine != "none") and not is_started()


def require_membership(distribution: DistributionParams) -> None:
    """Check that this process is one of as many as ``distribution`` says, and let it end with its launcher.

    Raises:
        InputError: torchrun, or whatever started it, started another number of processes than params.yaml says.
    """
    started = int(os.environ["WORLD_SIZE"])
    if started != distribution.world_size:
        raise InputError(
            f"{started} training processes were started, but train.distribution says "
            f"{distribution.nodes} x {distribution.processes}.",
            "change one of them, or run 'python -m judgeforge.train' by itself: it starts the others.",
        )
    if FOLDER_VARIABLE in os.environ and sys.platform == "linux":
        # Killed with -9, the launcher cannot end them: they would go on beside the next run.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def launch(distribution: DistributionParams, cpu_threads: int | None, module: str, arguments: Sequence[str]) -> None:
    """Run ``python -m module arguments`` in all processes of this machine, and wait for them.

    Args:
        distribution: how many.
        cpu_threads: of each process. None: the machine's cores are shared out.
        module: what each of them runs.
        arguments: its command line.

    Raises:
        InputError: a process had bad input, or the machines' addresses do not fit.
        EnvironmentFault: a process was interrupted or killed, or the machines did not meet.
        SystemExit: a defect, or the launcher was stopped before the processes could save.
    """
    place, meeting = 0, ["--standalone"]
    if distribution.nodes > 1:
        hosts = load_hosts(distribution.nodes)
        place = find_node_rank(hosts)
        meeting = [f"--nnodes={distribution.nodes}", f"--node-rank={place}"]
        meeting += [f"--master-addr={hosts[0]}", f"--master-port={distribution.port}"]
    options = [f"--nproc-per-node={distribution.processes}", f"--shutdown-timeout={_SAVING_S}"]
    options += [f"--signals-to-handle={','.join(each.name for each in _SIGNALS)}", "--module", module, *arguments]
    cores = os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(cpu_threads or max(1, cores // distribution.processes)))
    ranks = range(place * distribution.processes, (place + 1) * distribution.processes)
    with tempfile.TemporaryDirectory(prefix="judgeforge-") as name, _keep_handlers():
        os.environ[FOLDER_VARIABLE] = name
        number = _run([*meeting, *options])
        outcomes = load_outcomes(Path(name))
        end_processes(Path(name))
    raise_outcome(outcomes, ranks, number)


def _run(options: list[str]) -> int | None:
    """Run torchrun to its end; return the signal that ended it."""
    from torch.distributed import DistError  # noqa: PLC0415 - one process without an engine needs no launcher
    from torch.distributed.elastic.multiprocessing import SignalException  # noqa: PLC0415
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415
    from torch.distributed.elastic.rendezvous import RendezvousError  # noqa: PLC0415
    from torch.distributed.run import parse_args, run  # noqa: PLC0415

    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed."):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # how it ended is said once, in one line
    try:
        run(parse_args(options))  # type: ignore[no-untyped-call]
    except ChildFailedError:
        return None  # they have left word of it
    except SignalException as stop:
        return int(stop.sigval)
    except (DistError, RendezvousError) as error:
        raise EnvironmentFault(
            f"The training's processes did not meet: {(str(error).splitlines() or [''])[0][:200]}.",
            "start it on all machines, and see that the first one's port train.distribution.port is free and open.",
        ) from error
    return None


@contextmanager
def _keep_handlers() -> Any:
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
