"""How each of several training processes ended, in words and an exit code, and what that means for the whole run.

torchrun turns every failure of a process into exit code 1, while a flow must know a bad input (2: never again) from a
fault that may pass (75: again, from the last checkpoint). So each process leaves a file, and the launcher reads them.
"""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError
from judgeforge.files import load_json, write_json
from judgeforge.stage import DEBUG_VARIABLE

FOLDER_VARIABLE = "JUDGEFORGE_OUTCOMES"
"""Set by the launcher for its processes: where they leave their files."""
_LOST = ("gloo", "nccl", "connection closed", "connection reset", "broken pipe", "socket", "heartbeat")
"""What torch.distributed's errors speak of when another process is gone; gloo's are plain RuntimeErrors."""
_ENDED_FROM_OUTSIDE = 128


@dataclass(frozen=True)
class Outcome:
    """How one process ended.

    Args:
        code: its exit code.
        problem: what a person reads; "" where it ended well, or with a traceback.
        remedy: as ``JudgeforgeError``'s.
    """

    code: int
    problem: str = ""
    remedy: str = ""


@contextmanager
def leave_outcome(rank: int) -> Iterator[None]:
    """Write down how the ``with`` block ended, and say nothing: the launcher says it once for all processes.

    Args:
        rank: of this process.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    outcome = Outcome(1)
    if folder is not None:
        (Path(folder) / f"{rank}.pid").write_text(str(os.getpid()))
    try:
        yield
        outcome = Outcome(0)
    except SystemExit as stop:
        outcome = Outcome(stop.code if isinstance(stop.code, int) else 1)
        raise
    except Exception as error:
        fault = error if isinstance(error, JudgeforgeError) else _explain_loss(error, rank)
        if fault is None:
            raise
        outcome = Outcome(fault.exit_code, fault.problem, fault.remedy)
        if folder is None or os.environ.get(DEBUG_VARIABLE) == "1":
            raise fault from error
        raise SystemExit(fault.exit_code) from error
    finally:
        if folder is not None:
            write_json(Path(folder) / f"{rank}.json", vars(outcome))


def _explain_loss(error: Exception, rank: int) -> EnvironmentFault | None:
    text = str(error)
    if not isinstance(error, RuntimeError) or not any(word in text.lower() for word in _LOST):
        return None
    return EnvironmentFault(
        f"Training process {rank} lost the others: {(text.splitlines() or [''])[0][:200]}.",
        "see what ended them, and run again: it goes on from the last checkpoint.",
    )


def load_outcomes(folder: Path) -> dict[int, Outcome]:
    """Read what the processes of this machine left; one that was killed has left nothing."""
    return {int(path.stem): Outcome(**load_json(path)) for path in sorted(folder.glob("*.json"))}


def end_processes(folder: Path) -> None:
    """Kill the processes that have not left an outcome: each leads a group of its own."""
    for path in folder.glob("*.pid"):
        if not path.with_suffix(".json").exists():
            with suppress(ProcessLookupError):
                os.killpg(int(path.read_text()), signal.SIGKILL)


def raise_outcome(outcomes: Mapping[int, Outcome], ranks: Sequence[int], number: int | None) -> None:
    """End as the run ended; return where all processes ended well.

    A bad input comes first, then a defect, since the other processes only lost the one that had it.

    Args:
        outcomes: by rank.
        ranks: of all processes of this machine.
        number: the signal that the launcher got, if it got one.

    Raises:
        InputError: a process raised it.
        EnvironmentFault: a process raised it, or was killed.
        SystemExit: a defect, whose traceback stands above, or the launcher was told to stop.
    """
    codes = {outcome.code for outcome in outcomes.values()}
    killed = [rank for rank in ranks if rank not in outcomes]
    for kind in (InputError, EnvironmentFault):
        first = next((each for _, each in sorted(outcomes.items()) if each.code == kind.exit_code), None)
        if first is not None and not (kind is EnvironmentFault and (killed or 1 in codes)):
            raise kind(first.problem, first.remedy)
    if 1 in codes:
        raise SystemExit(1)
    if number is not None and (killed or codes - {0}):
        raise SystemExit(_ENDED_FROM_OUTSIDE + number)
    if killed:
        raise EnvironmentFault(
            f"Training process {', '.join(map(str, killed))} of {len(ranks)} on this machine was killed.",
            "if the machine ran out of memory, lower train.batch_size; run again: it goes on from the last checkpoint.",
        )
    if codes - {0}:
        raise SystemExit(max(codes))
