"""Whether a run fits into the memory that is there, and which values to change where it does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from judgeforge.errors import EnvironmentFault
from judgeforge.params import DistributionParams, TrainParams
from judgeforge.progress import say
from judgeforge.train.memory import Memory, Spread, Step, estimate_memory
from judgeforge.train.skeleton import Skeleton
from judgeforge.train.tokens import TokenRows

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_GB = 1e9


@dataclass(frozen=True)
class Device:
    """What a run is to fit into.

    Args:
        name: for a person.
        free: bytes; None: it cannot be read here.
    """

    name: str
    free: int | None


def measure_step(rows: TokenRows, params: TrainParams) -> Step:
    """Measure the largest step that a run can have: the longest rows of all in one batch.

    Args:
        rows: the training set.
        params: the section ``train``.
    """
    learnt = params.batch_size * max(rows.completion_lengths)
    in_parts = params.loss_chunk_tokens is not None and params.distribution.engine != "zero3"
    return Step(
        lengths=tuple(sorted(rows.lengths)[-params.batch_size :]),
        learnt=min(learnt, params.loss_chunk_tokens or learnt) if in_parts else learnt,
        on_gpu=torch.cuda.is_available(),
    )


def choose_spread(distribution: DistributionParams) -> Spread:
    """Describe a run on this machine's kind of devices."""
    return Spread(
        processes=distribution.world_size,
        sharding=distribution.engine,
        offload=distribution.offload,
        kind="gpu" if torch.cuda.is_available() else "cpu",
    )


def find_device() -> Device:
    """Find the device that a process here trains on, and its free memory."""
    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        return Device(torch.cuda.get_device_name(), free)
    known = [each for each in (_read_available(), _read_container_room()) if each is not None]
    return Device("CPU", min(known, default=None))


def _read_available() -> int | None:
    try:
        text = _MEMINFO.read_text()
    except OSError:  # only Linux has it
        return None
    found = next((line.split()[1] for line in text.splitlines() if line.startswith("MemAvailable:")), None)
    return None if found is None else int(found) * 1024


def _read_container_room() -> int | None:
    """Read what a container's limit leaves, which the machine's own figure does not know of."""
    try:
        most, used = ((_CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return None
    return None if most == "max" else int(most) - int(used)


def list_advice(skeleton: Skeleton, params: TrainParams, step: Step, spread: Spread, free: int) -> list[str]:
    """List single changes of values with the total that each would bring, those that suffice first.

    Args:
        skeleton: the model.
        params: the section ``train``.
        step: what goes through the model at once.
        spread: over devices.
        free: bytes that are there.
    """
    tried: list[tuple[str, Memory]] = []
    if not params.gradient_checkpointing:
        changed = params.model_copy(update={"gradient_checkpointing": True})
        tried.append(("train.gradient_checkpointing: true", estimate_memory(skeleton, changed, step, spread)))
    rows = len(step.lengths)
    if rows > 1:
        one = replace(step, lengths=step.lengths[-1:], learnt=-(-step.learnt // rows))
        values = f"train.batch_size: 1 and train.gradient_accumulation: {params.gradient_accumulation * rows}"
        tried.append((values, estimate_memory(skeleton, params, one, spread)))
    if spread.sharding != "zero3" and spread.processes > 1:
        apart = replace(spread, sharding="zero3")
        tried.append(("ZeRO-3", estimate_memory(skeleton, params, step, apart)))
    if not spread.offload and params.method == "full":
        apart = replace(spread, sharding="zero3", offload=True)
        memory = estimate_memory(skeleton, params, step, apart)
        tried.append((f"ZeRO-3 with offload of {memory.host / _GB:,.0f} GB a process to the host's memory", memory))
    tried.sort(key=lambda each: each[1].total > free)
    lines = [f"{values} ({each.total / _GB:,.1f} GB)" for values, each in tried]
    lesser = {"full": "lora (adapters alone are trained)", "lora": "qlora (the base in 4 bits)"}.get(params.method)
    if lesser:
        lines.append(f"train.method: {lesser}")
    return [*lines, "train.max_length_tokens: less, which leaves the longest rows out"]


@contextmanager
def explain_lack_of_memory() -> Iterator[None]:
    """Turn a GPU's lack of memory into a message.

    Raises:
        EnvironmentFault: there was too little.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise EnvironmentFault(
            f"The GPU has too little memory: {str(error).splitlines()[0]}",
            "see what would help: the same command with --dry-run.",
        ) from error


def warn_if_too_large(skeleton: Skeleton, params: TrainParams, step: Step, spread: Spread) -> None:
    """Say so, with advice, where a run is not likely to fit.

    It is not refused: the estimate leans high, and a machine may have more to give than it says.
    """
    device, need = find_device(), estimate_memory(skeleton, params, step, spread)
    if device.free is None or need.total <= device.free:
        return
    say(
        f"This run is estimated to need {need.total / _GB:,.1f} GB on each device, and {device.name} has "
        f"{device.free / _GB:,.1f} GB free. What would help: "
        + "; ".join(list_advice(skeleton, params, step, spread, device.free))
        + "."
    )
