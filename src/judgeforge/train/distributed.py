"""What the processes of one training agree on: a start, a fault, a signal, and who of them writes.

A training of one process passes through here untouched.
"""

import os
import secrets
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from judgeforge.errors import InputError, JudgeforgeError
from judgeforge.files import write_text
from judgeforge.train.launch import is_started

_Value = TypeVar("_Value")
_WAIT = timedelta(hours=2)
"""The others wait this long while the first hashes a large base or writes a large judge."""
_SHARED_MARK = ".shared"


@contextmanager
def join_processes(engine: str) -> Iterator[None]:
    """Meet the other processes that torchrun started; alone, where it started none.

    Args:
        engine: ``train.distribution.engine``.
    """
    if not torch.cuda.is_available():
        os.environ.setdefault(
            "DS_ACCELERATOR", "cpu"
        )  # Accelerate loads DeepSpeed where it is, which warns of guessing
    if not is_started():
        yield
        return
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed\.c10d_logger")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # Gloo beside NCCL: a signal or a key is agreed on without waiting for the GPU's queue.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_WAIT)
    if engine != "none":
        from deepspeed import comm  # noqa: PLC0415 - not installed everywhere

        # On a CPU nobody else tells it that there are others.
        comm.init_distributed(auto_mpi_discovery=False, timeout=_WAIT)
    try:
        yield
    finally:
        dist.destroy_process_group()


def count_processes() -> int:
    """Return the number of processes of this training."""
    return dist.get_world_size() if dist.is_initialized() else 1


def get_rank() -> int:
    """Return this process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Tell whether this is the process that writes, records and shows."""
    return get_rank() == 0


def on_first(action: Callable[[], _Value]) -> _Value:
    """Let the first process do something while the others wait, and give what came of it to all.

    Raises:
        JudgeforgeError: the first process raised it: all processes raise the same.
    """
    if count_processes() == 1:
        return action()
    box: list[Any] = [None, None]
    if is_first():
        try:
            box[0] = action()
        except JudgeforgeError as error:
            box[1] = (type(error), error.problem, error.remedy)
    dist.broadcast_object_list(box, src=0)
    if box[1] is not None:
        kind, problem, remedy = box[1]
        raise kind(problem, remedy)
    value: _Value = box[0]
    return value


def find_largest(value: int) -> int:
    """Return the largest of all processes' values."""
    if count_processes() == 1:
        return value
    values = torch.tensor([value])
    dist.all_reduce(values, dist.ReduceOp.MAX)
    return int(values[0])


def sum_up(values: torch.Tensor) -> torch.Tensor:
    """Add up all processes' values, in place."""
    if count_processes() > 1:
        dist.all_reduce(values)
    return values


def gather_texts(texts: list[str]) -> list[str]:
    """Put the texts of all processes one after the other, for all of them."""
    if count_processes() == 1:
        return texts
    parts: list[Any] = [None] * count_processes()
    dist.all_gather_object(parts, texts)
    return [text for part in parts for text in part]


def require_shared(folder: Path) -> None:
    """Check that all machines see one folder: each process writes its part of a checkpoint.

    Raises:
        InputError: a machine sees another one.
    """
    if count_processes() == 1:
        return

    def leave_mark() -> str:
        mark = secrets.token_hex(8)
        write_text(folder / _SHARED_MARK, mark)
        return mark

    mark = on_first(leave_mark)
    path = folder / _SHARED_MARK
    if find_largest(int(not path.is_file() or path.read_text() != mark)):
        raise InputError(
            f"Not all machines see the same {folder}.",
            "put the working folder on a file system that all of them mount under the same path.",
        )
